"""Exact frames of a video for the least decoding that its container allows."""
import re
from collections.abc import Container, Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from av import VideoFrame
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream


class IndexedVideo:
    """A video whose packets are read, and whose frames are numbered, before any is decoded.

    What it shows is what FFmpeg's command shows: the stream that the file's dispositions choose
    (no cover art, no preview), upright, without what an edit list cuts away. Frames of another
    size than the first one's are scaled to it.

    Numbers follow the order in which frames are shown. Decoding begins at the last key frame
    before the first asked frame, ends with the last asked one, and leaves out what lies
    between and (in H.264, which says so) no other frame refers to. The packets are held in
    memory, compressed.

    Args:
        container: An open PyAV container; it is read to its end and closed.
        multi_thread: Whether FFmpeg may use several threads.

    Attributes:
        avg_fps: Frames a second, on average; 0 where the file does not say.

    Raises:
        ValueError: If there is no video stream, or none that this FFmpeg decodes.
    """

    def __init__(self, container: InputContainer, multi_thread: bool = False) -> None:
        with container:
            stream = video_stream(container)
            self._streams = len(container.streams.video)
            self._format = container.format.name
            self._packets: list[Packet] = []
            self._cut = False
            try:
                self._packets += (packet for packet in container.demux(stream) if packet.size)
            except FFmpegError:  # what comes before can be had
                self._cut = True
            # A file that was cut ends within a packet.
            if self._packets and self._packets[-1].is_corrupt:
                self._cut = True
                self._packets.pop()
            self._codec = stream.codec_context
            average, guessed = stream.average_rate, stream.guessed_rate
        self._codec.thread_type = 'AUTO' if multi_thread else 'NONE'
        if not multi_thread:
            self._codec.thread_count = 1
        try:
            self._codec.open()
        except FFmpegError as error:
            raise ValueError(
                f'the video stream must be one that FFmpeg decodes, but its decoder for '
                f'{self._codec.name} does not take it: its head is damaged') from error
        self._length = sum(not packet.is_discard for packet in self._packets)
        self._times = self._shown_at()
        # Without times of showing FFmpeg's average counts the fields of some files.
        self.avg_fps = float((average if self._times else guessed) or 0)
        self._size = self._codec.width, self._codec.height

    def _shown_at(self) -> list[int]:
        """When each frame is shown, or nothing where the file does not say.

        AVI, for one, numbers packets in the order of decoding even where frames are shown
        in another one. Frames are then counted from the first.
        """
        times = [packet.pts for packet in self._packets if not packet.is_discard]
        told = [time for time in times if time is not None]
        if len(told) < len(times):
            return []
        ordered = sorted(set(told))
        known = len(ordered) == len(times) and not (self._codec.has_b_frames and ordered == times)
        return ordered if known else []

    def __len__(self) -> int:
        return self._length

    def doubt(self) -> str:
        """Why another decoder may read this file wrongly, as far as a look at it tells.

        Returns:
            What there is that decord 0.6 or OpenCV 5 were seen to read wrongly; empty where there
            is nothing.
        """
        first = self._frames({0}).get(0)
        reasons = {
            'its container is not MP4, QuickTime or Matroska': self._format.split(',')[0] not in (
                'mov', 'mp4', 'matroska'),
            'it has several video streams': self._streams > 1,
            f'its codec is {self._codec.name}': self._codec.name not in ('h264', 'hevc'),
            'it is cut off or damaged': self._cut or first is None or not self._looks_whole(),
            'an edit list cuts frames away': any(packet.is_discard for packet in self._packets),
            f'its pixels are {self._codec.pix_fmt}': self._codec.pix_fmt not in (
                'yuv420p', 'yuvj420p'),
            'it is interlaced': first is not None and first.interlaced_frame,
            'frames are shown at uneven times': not self._is_even(),
            'frames refer to others across key frames': self._has_leading_frames(),
        }
        return next((reason for reason, holds in reasons.items() if holds), '')

    def _looks_whole(self) -> bool:
        """Whether the lengths inside the packets add up (H.264 and HEVC outside of streams)."""
        return all(sum(4 + len(unit) for unit in _units(self._codec, packet)) == packet.size
                   for packet in self._packets)

    def _is_even(self) -> bool:
        steps = [later - earlier for earlier, later in pairwise(self._times)]
        # Matroska rounds times to milliseconds.
        return bool(self._times) and (not steps or max(steps) - min(steps) <= 1)

    def _has_leading_frames(self) -> bool:
        key = None
        for packet in self._packets:
            if packet.is_keyframe:
                key = packet.pts
            elif key is None or (packet.pts is not None and packet.pts < key):
                return True
        return False

    def decode(self, numbers: Iterable[int]) -> dict[int, np.ndarray]:
        """Decode frames; may be called again.

        Args:
            numbers: Frame numbers, counted from 0, in any order.

        Returns:
            (H, W, 3) uint8 RGB pictures by number. Frames that are not there are missing, and so
            are damaged ones and those that depend on them.
        """
        frames = self._frames({number for number in numbers if 0 <= number < len(self)})
        size = self._size
        if any((frame.width, frame.height) != size for frame in frames.values()):
            size = self._first_size
        picture = Pictures()
        return {number: picture(frame, size) for number, frame in frames.items()}

    @cached_property
    def _first_size(self) -> tuple[int, int]:
        """Width and height of the first frame, which a header may have wrong."""
        first = self._frames({0}).get(0)
        return self._size if first is None else (first.width, first.height)

    def _frames(self, asked: set[int]) -> dict[int, VideoFrame]:
        """The asked frames, as the decoder hands them out."""
        if not asked:
            return {}
        if not self._times:
            return _take(enumerate(self._decode_counting()), asked)
        numbers_at = {self._times[number]: number for number in asked}
        key_frame = max((index for index, packet in enumerate(self._packets)
                         if packet.is_keyframe and packet.pts is not None
                         and packet.pts <= min(numbers_at)), default=0)
        frames: dict[int, VideoFrame] = {}
        # The second way is for key frames that are none.
        for first, needed in ((key_frame, numbers_at), (0, None)):
            frames = _take(((numbers_at[frame.pts], frame) for frame in self._decode(first, needed)
                            if frame.pts in numbers_at), asked)
            if len(frames) == len(asked):
                break
        return frames

    def _decode(self, first: int, needed: Container[int] | None = None) -> Iterator[VideoFrame]:
        """Whole frames from packet ``first`` on; those not ``needed`` only if others refer to them.

        Args:
            first: Place of the packet.
            needed: Times of frames; None stands for all.
        """
        # Packets are left out here and not by the decoder (skip_frame), which then leaves out
        # damaged ones that others refer to as well, without a word.
        codec = self._codec
        codec.flush_buffers()
        spoilt: set[int | None] = set()
        for place, packet in enumerate([*self._packets[first:], None], first):
            if packet is not None and needed is not None and packet.pts not in needed and (
                    is_disposable(self._codec, packet)):
                continue
            try:
                frames = codec.decode(packet)
            except FFmpegError:
                spoilt |= self._depending(place)
                continue
            for frame in frames:
                if frame.is_corrupt:
                    spoilt |= self._depending(self._place_at.get(frame.pts, len(self._packets)))
                if frame.pts not in spoilt:
                    yield frame

    def _decode_counting(self) -> Iterator[VideoFrame]:
        """Frames from the first to the last before any damage: behind it nothing can be counted."""
        codec = self._codec
        codec.flush_buffers()
        for packet in [*self._packets, None]:
            try:
                frames = codec.decode(packet)
            except FFmpegError:
                return
            for frame in frames:
                if frame.is_corrupt:
                    return
                yield frame

    @cached_property
    def _place_at(self) -> dict[int | None, int]:
        return {packet.pts: place for place, packet in enumerate(self._packets)}

    def _depending(self, place: int) -> set[int | None]:
        """Times of what may refer to a damaged packet: all up to the next key frame.

        What is shown before that key frame but comes after it may refer to both.
        """
        times: set[int | None] = set()
        key: Packet | None = None
        for offset, packet in enumerate(self._packets[place:]):
            if packet.is_keyframe and offset > 0:
                if key is not None:
                    break
                key = packet
            elif key is None or (packet.pts is not None and key.pts is not None
                                 and packet.pts < key.pts):
                times.add(packet.pts)
        return times


def video_stream(container: InputContainer) -> VideoStream:
    """The stream that FFmpeg's command shows, to be decoded strictly."""
    stream: Any = container.streams.best('video')
    if stream is None:
        raise ValueError('a video must have a video stream, found none')
    if stream.codec_context is None:
        raise ValueError('the video stream must be of a codec that FFmpeg knows, but is not')
    # Damage is an error: what is put in its place depends on where decoding began.
    stream.codec_context.options = dict(err_detect='explode')
    return stream


def is_disposable(codec: CodecContext, packet: Packet) -> bool:
    """Whether a packet says that no other frame refers to it (in H.264)."""
    if codec.name != 'h264':
        return False
    # nal_ref_idc of the slices.
    referred = [unit[0] >> 5 & 3 for unit in _units(codec, packet) if unit[0] & 31 in range(1, 6)]
    return bool(referred) and not any(referred)


def _units(codec: CodecContext, packet: Packet) -> Iterator[memoryview]:
    """The units of an H.264 or HEVC packet (NAL units), as far as they are whole."""
    data, place = memoryview(packet), 0
    if not (codec.extradata or b'').startswith(b'\x01'):
        # A stream: units stand behind marks. Their first byte is what is of interest here.
        for mark in re.finditer(b'\x00\x00\x01', data):
            yield data[mark.end():mark.end() + 1]
        return
    while place + 4 < len(data):
        length = int.from_bytes(data[place:place + 4], 'big')
        place += 4 + length
        if length == 0 or place > len(data):
            return
        yield data[place - length:place]


def _take(frames: Iterable[tuple[int, VideoFrame]], asked: set[int]) -> dict[int, VideoFrame]:
    """The asked ones of numbered frames; takes no frame more than it needs."""
    found: dict[int, VideoFrame] = {}
    for number, frame in frames:
        if number in asked:
            found[number] = frame
            if len(found) == len(asked):
                break
    return found


class Pictures:
    """Makes decoded frames upright RGB pictures, as (H, W, 3) uint8.

    One is for the frames of one video: it keeps what a conversion needs. It takes one thread, whose
    pixels are the same as several ones', since to start threads for a frame costs more than
    they save (up to ten times the conversion, of small frames).
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: VideoFrame, size: tuple[int, int]) -> np.ndarray:
        """Convert a frame, scaled to ``size`` (width, height) before it is turned.

        Raises:
            ValueError: If it is not to be turned by a right angle.
        """
        return upright(
            self._reformatter.reformat(frame, *size, 'rgb24', threads=1).to_ndarray(), frame)


def upright(picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """Turn and mirror a picture as the display matrix of its frame says.

    Raises:
        ValueError: If it is not to be turned by a right angle.
    """
    data: Any = frame.side_data.get('DISPLAYMATRIX')
    if data is None:
        return picture
    # Where the axes of columns and of rows go, in 16.16 fixed point.
    (a, b), (c, d) = np.frombuffer(bytes(data), np.int32)[:6].reshape(2, 3)[:, :2]
    if b == c == 0:
        return np.ascontiguousarray(picture[::np.sign(d) or 1, ::np.sign(a) or 1])
    if a == d == 0:
        turned = picture.transpose(1, 0, 2)
        return np.ascontiguousarray(turned[::np.sign(b), ::np.sign(c)])
    raise ValueError(
        'a video must be shown at a right angle, but its display matrix turns by another')
