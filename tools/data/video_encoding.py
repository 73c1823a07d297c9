"""Encodes videos for training: what prepare_videos.py does to one file, and to many at once."""
import math
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import connection, get_context
from pathlib import Path

import av
import numpy as np

PRESETS = ('ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower',
           'veryslow', 'placebo')
INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM}
_UNSPECIFIED_MATRIX = 2


@dataclass(frozen=True)
class Settings:
    """Everything the encoded videos depend on.

    Args:
        short_side: Of the frames, in pixels; smaller videos keep their size. Sizes are even.
        key_frame_interval: In frames, exactly.
        crf: x264's constant rate factor, in [0, 51]; lower is better and larger.
        preset: x264's, one of ``PRESETS``.
        tune: x264's, or ``none``.
    """
    short_side: int = 256
    key_frame_interval: int = 16
    crf: float = 23.
    preset: str = 'medium'
    tune: str = 'fastdecode'

    def __post_init__(self) -> None:
        if self.short_side % 2 or self.short_side < 16:
            raise ValueError('--short-side must be even (4:2:0 colour) and at least 16, got '
                             f'{self.short_side}')
        if self.key_frame_interval < 1:
            raise ValueError('--key-frame-interval must be at least 1 frame, got '
                             f'{self.key_frame_interval}')
        if not 0 <= self.crf <= 51:
            raise ValueError(f'--crf must be in [0, 51], got {self.crf}')

    def options(self) -> dict[str, str]:
        """Of FFmpeg's libx264; closed groups of pictures are x264's default."""
        every = self.key_frame_interval
        options = dict(preset=self.preset, crf=str(self.crf), **{
            'x264-params': f'keyint={every}:min-keyint={every}:scenecut=0:bframes=3:b-adapt=0:'
                           'b-pyramid=none:ref=1:threads=1'})
        return options if self.tune == 'none' else dict(options, tune=self.tune)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Of the encoded frames: both even, the shorter at most ``short_side``."""
        short = min(width, height)
        wanted = max(min(self.short_side, short // 2 * 2), 2)
        if wanted >= short - 1:
            return max(width // 2 * 2, 2), max(height // 2 * 2, 2)
        long = round(max(width, height) * wanted / short / 2) * 2
        return (wanted, long) if width < height else (long, wanted)


class Times:
    """Timestamps of frames, in ticks of the source: its own from 0 on, strictly increasing.

    One that is missing follows the last by ``step``, one that is not after the last by a tick.
    Such are some AVI files', whose format has no presentation times.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        self.first: int | None = None
        self.all: list[int] = []

    def next(self, pts: int | None) -> int:
        last = self.all[-1] if self.all else None
        if pts is None:
            value = 0 if last is None else last + self.step
        else:
            self.first = pts if self.first is None else self.first
            value = pts - self.first
        if last is not None and value <= last:
            value = last + 1
        self.all.append(value)
        return value


class Comparison:
    """Luma of what was encoded against what the encoder put out, frame by frame.

    The packets are decoded as they come, so that no more frames are held than the encoder
    looks ahead.
    """

    def __init__(self) -> None:
        self.decoder = av.CodecContext.create('h264', 'r')
        self.decoder.thread_count = 1
        self.waiting: deque[np.ndarray] = deque()
        self.squares = self.pixels = self.frames = 0

    def add(self, frame: av.VideoFrame) -> None:
        """A frame that goes into the encoder."""
        self.waiting.append(_luma(frame))

    def decode(self, packet: av.Packet | None, extradata: bytes | None) -> None:
        """A packet that comes out of it, or None for the end."""
        if not self.decoder.is_open:
            self.decoder.extradata = extradata
        for frame in self.decoder.decode(packet):
            difference = np.subtract(_luma(frame), self.waiting.popleft(), dtype=np.int32)
            self.squares += int(np.square(difference).sum(dtype=np.int64))
            self.pixels += difference.size
            self.frames += 1

    @property
    def psnr(self) -> float:
        """In dB."""
        if not self.squares:
            return math.inf
        return 10 * math.log10(255**2 * self.pixels / self.squares)


def _luma(frame: av.VideoFrame) -> np.ndarray:
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:frame.height, :frame.width]


class Upright:
    """Turns frames by what the metadata say, as decord and OpenCV do and PyAV does not.

    Args:
        frame: The first one, scaled.
        rotation: Degrees counterclockwise; those between the multiples of 90 are left alone, as
            the decoders do.
    """

    FILTERS = {90: ['transpose=cclock'], 180: ['hflip', 'vflip'], 270: ['transpose=clock']}

    def __init__(self, frame: av.VideoFrame, rotation: int) -> None:
        self.graph = None
        filters = self.FILTERS.get(rotation % 360)
        if filters:
            self.graph = av.filter.Graph()
            nodes = [self.graph.add_buffer(width=frame.width, height=frame.height,
                                           format=frame.format.name, time_base=Fraction(1, 1000))]
            nodes += [self.graph.add(*name.split('=')) for name in filters]
            self.graph.link_nodes(*nodes, self.graph.add('buffersink')).configure()

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self.graph is None:
            return frame
        self.graph.push(frame)
        return self.graph.pull()


def decode(container: av.container.InputContainer,
           settings: Settings) -> Iterator[av.VideoFrame]:
    """The frames of a video, scaled and upright, in yuv420p.

    Raises:
        ValueError: Without a video stream, or if something in it is damaged.
    """
    stream = container.streams.best('video')
    if stream is None:
        raise ValueError('a video must have a video stream, found none')
    stream.codec_context.thread_count = 1
    upright, packets = None, 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise ValueError('the file ends or is damaged within a frame, the one after '
                             f'{packets} others')
        packets += packet.size > 0
        for frame in packet.decode():
            if frame.is_corrupt:
                raise ValueError(f'the frame at {frame.time} seconds is damaged')
            if upright is None:
                width, height = settings.size(frame.width, frame.height)
            scaled = frame.reformat(width=width, height=height, format='yuv420p',
                                    interpolation='BICUBIC', threads=1)
            upright = upright or Upright(scaled, frame.rotation)
            turned = upright(scaled)
            # x264 makes a key frame where the source had one unless the type is unset.
            turned.pts, turned.pict_type = frame.pts, 0
            yield turned
    # Elsewhere the index holds key frames only, and a file that ends between frames is whole.
    if 'mp4' in container.format.name and packets < len(stream.index_entries):
        raise ValueError(f'the file must hold the {len(stream.index_entries)} frames of its index, '
                         f'but ends after {packets}')


def encode(source: Path, target: Path, settings: Settings) -> tuple[int, int, int, float]:
    """Re-encode one video.

    Args:
        source: Any video that FFmpeg reads.
        target: The MP4 to write, of any name.
        settings: Of the encoder.

    Returns:
        Number of frames, width, height and PSNR.

    Raises:
        ValueError: For a source or a result that is not whole.
        av.FFmpegError: For a source that cannot be decoded.
    """
    # The hosts behind it take seconds to import: --help of prepare_videos.py need not wait.
    from amd_mm.datasets.transforms.containers import open_container

    comparison = Comparison()
    with source.open('rb') as file, open_container(file) as reader, av.open(
            str(target), 'w', format='mp4', options=dict(movflags='faststart')) as writer:
        encoder = None
        for frame in decode(reader, settings):
            if encoder is None:
                encoder, times = _add_encoder(writer, reader.streams.best('video'), frame,
                                              settings)
            frame.time_base = encoder.codec_context.time_base
            frame.pts = times.next(frame.pts)
            comparison.add(frame)
            _write(encoder.encode(frame), writer, encoder, comparison)
        if encoder is None:
            raise ValueError('a video must have at least one frame, found none')
        _write(encoder.encode(None), writer, encoder, comparison)
        comparison.decode(None, None)
        size, time_base = (encoder.width, encoder.height), encoder.codec_context.time_base
    if comparison.frames != len(times.all):
        raise ValueError(f'the result must have the {len(times.all)} frames of the source, got '
                         f'{comparison.frames}')
    _check_written(target, [value * time_base for value in times.all])
    return len(times.all), *size, comparison.psnr


def _add_encoder(writer: av.container.OutputContainer, source: av.VideoStream,
                 frame: av.VideoFrame, settings: Settings) -> tuple[av.VideoStream, Times]:
    """A stream for frames like this one, and timestamps for them."""
    found = Fraction(source.average_rate or source.guessed_rate or 0)
    rate = found.limit_denominator(1001) or Fraction(25)
    encoder = writer.add_stream('libx264', rate=rate, options=settings.options())
    context = encoder.codec_context
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, 'yuv420p'
    context.time_base, context.thread_count = source.time_base, 1
    # A decoder must take them for the same colours as the source's. Frames from RGB still say RGB.
    context.colorspace = frame.colorspace or _UNSPECIFIED_MATRIX
    context.color_range = frame.color_range
    context.color_primaries, context.color_trc = frame.color_primaries, frame.color_trc
    return encoder, Times(max(round(1 / (rate * source.time_base)), 1))


def _write(packets: Iterable[av.Packet], writer: av.container.OutputContainer,
           encoder: av.VideoStream, comparison: Comparison) -> None:
    for packet in packets:
        comparison.decode(packet, encoder.codec_context.extradata)
        writer.mux(packet)


def _check_written(path: Path, times: list[Fraction]) -> None:
    """Whether the file holds a frame at each of these times (seconds), as its reader sees it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = sorted(packet.pts * stream.time_base for packet in container.demux(stream)
                       if packet.size and not packet.is_discard)
    if found != times:
        raise ValueError(f'the result must have {len(times)} frames at the times of the source, '
                         f'got {len(found)}, or other times; MP4 cannot hold them')


def _work(sender: connection.Connection, source: Path, target: Path, settings: Settings) -> None:
    """What a process does: sends the numbers of :func:`encode`, or the reason of a failure."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent ends its children.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A process whose parent was killed may still be writing to the old one.
        target.unlink(missing_ok=True)
        result = encode(source, target, settings)
    except av.FFmpegError as error:
        result = f'FFmpeg: {error.strerror}'
    except ValueError as error:
        result = str(error)
    except Exception as error:  # Whatever it is, it is about this file.
        result = f'{type(error).__name__}: {error}'
    sender.send(result)


def encode_all(jobs: Iterable[tuple[str, Path, Path]], settings: Settings, workers: int,
               timeout: float) -> Iterator[tuple[str, tuple | str]]:
    """Run :func:`encode` on many files, a process each.

    A process that crashes or is killed takes nothing else with it, which a pool's would. Those
    that still run when the iterator is closed are killed.

    Args:
        jobs: Name, source, target.
        settings: Of the encoder.
        workers: Processes at a time.
        timeout: Seconds after which a process is killed.

    Yields:
        Name, and what :func:`encode` returned or the reason why it did not, as they end.
    """
    # Forking needs no second import, and this process has no threads that could hold a lock.
    context = get_context('fork')
    waiting = iter(jobs)
    running: dict[connection.Connection, tuple] = {}

    def start(name: str, source: Path, target: Path) -> None:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(sender, source, target, settings))
        # An interruption in between would leave a process that nobody kills, and be waited for.
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
        process.start()
        running[receiver] = name, process, time.monotonic() + timeout
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
        sender.close()

    def end(receiver: connection.Connection) -> tuple[str, tuple | str]:
        name, process, deadline = running[receiver]
        try:
            result = receiver.recv()
        except EOFError:
            process.join()
            result = f'its process ended with {_status(process.exitcode)}'
            if time.monotonic() > deadline:
                result = f'not done after {timeout:g} seconds, see --timeout'
        process.join()
        receiver.close()
        del running[receiver]
        return name, result

    try:
        while True:
            while len(running) < workers and (job := next(waiting, None)):
                start(*job)
            if not running:
                return
            for receiver in connection.wait(running, timeout=1):
                yield end(receiver)
            for _, process, deadline in running.values():
                if time.monotonic() > deadline:
                    process.kill()
    finally:
        for _, process, _ in running.values():
            process.kill()
            process.join()


def _status(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f'status {code}'
