"""Videos of any length, frame after frame, with the times at which they are shown."""
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Set

import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from amd_mm.datasets.transforms.indexed_video import Pictures, is_disposable, video_stream

_KEPT = 4096  # times of frames, more or less
_MICRO = 1_000_000  # FFmpeg counts the start of a file in millionths of a second.


class ShownFrame:
    """A decoded frame whose picture is made when it is first asked for.

    Most frames of a window are decoded only because others refer to them.

    Args:
        time: When it is shown, in seconds.
        duration: How long, in seconds.
        make: Gives (H, W, 3) uint8 RGB.
    """

    def __init__(self, time: float, duration: float, make: Callable[[], np.ndarray]) -> None:
        self.time, self.duration = time, duration
        self._make: Callable[[], np.ndarray] | None = make
        self._picture = np.empty(0)

    @property
    def picture(self) -> np.ndarray:
        """(H, W, 3) uint8, RGB."""
        if self._make is not None:
            # What is made no longer needs what the decoder gave.
            self._picture, self._make = self._make(), None
        return self._picture


class Look:
    """Which frames of a video somebody looks at: all of them, until windows are seen to be alike.

    Two windows in which the same places were looked at tell what the others need. The end of a
    video is always needed, as its last window lies otherwise.
    """

    def __init__(self) -> None:
        self._length = self._stride = 0
        self._places: Set[int] = frozenset()
        self._known = False

    def lie(self, length: int, stride: int) -> None:
        """Windows are of ``length`` frames, one every ``stride`` frames from the first on."""
        self._length, self._stride = length, stride

    def learn(self, places: Set[int], count: int) -> None:
        """In a window of ``count`` frames these were looked at, counted from its first."""
        if not self._stride or count != self._length or self._known:
            return
        agrees = bool(places) and places == self._places
        self._places = places
        # Where windows leave nothing out there is nothing to know.
        self._known = agrees and not all(
            self(number) for number in range(self._length, self._length + self._stride))

    @property
    def last(self) -> int | None:
        """So many frames at the end are needed; None: all."""
        return self._length if self._known else None

    def __call__(self, number: int) -> bool:
        """Whether a frame, counted from 0, is looked at in a window that is not the last."""
        first = max(0, -(-(number - self._length + 1) // self._stride))
        return any(number - window * self._stride in self._places
                   for window in range(first, number // self._stride + 1))


def frames_in_order(container: InputContainer, look: Look | None = None) -> Iterator[ShownFrame]:
    """The frames of a video of any length as :class:`IndexedVideo` shows them, one at a time.

    Times are those of the file, counted from its start as players count them. Where a frame has
    none, or one that is not after the frame before, it is a frame of the average rate later.

    Args:
        container: An open PyAV container; it is closed in the end.
        look: What is looked at; it may learn meanwhile. Frames that nobody looks at and (in H.264,
            which says so) no other refers to are not decoded: they have no picture.

    Raises:
        ValueError: Without a video stream, and at the first frame that is damaged.
    """
    with container:
        stream = video_stream(container)
        start = (container.start_time or 0) / _MICRO
        step = 1 / frame_rate(container)
        picture, size, count, time = Pictures(), None, 0, -step
        try:
            for frame in _decoded(container, stream, look):
                if isinstance(frame, Packet):
                    make = _left_out
                elif frame.is_corrupt:
                    raise _damaged(count)
                else:
                    size = size or (frame.width, frame.height)
                    make = _maker(frame, picture, size)
                told = None if frame.pts is None or frame.time_base is None else (
                    frame.pts * frame.time_base.numerator / frame.time_base.denominator - start)
                time = time + step if told is None or told <= time else told
                duration = float((frame.duration or 0) * (frame.time_base or 0)) or step
                yield ShownFrame(time, duration, make)
                count += 1
        except FFmpegError as error:
            raise _damaged(count) from error


def _decoded(container: InputContainer, stream: VideoStream,
             look: Look | None) -> Iterator[VideoFrame | Packet]:
    """Frames in the order in which they are shown; of those that are left out, the packets."""
    if look is None or stream.codec_context.name != 'h264':
        yield from container.decode(stream)
        return
    order, count = _Order(stream, look), 0
    # Left out, and not yet passed by a frame that is shown later.
    left: list[tuple[int, Packet]] = []
    for packet, is_left_out in order.packets(container):
        if is_left_out:
            insort(left, (packet.pts or 0, packet), key=lambda one: one[0])
            continue
        for frame in packet.decode():
            while left and (frame.pts is None or left[0][0] < frame.pts):
                yield left.pop(0)[1]
                count += 1
            order.check(frame.pts, count)
            yield frame
            count += 1
    for _, packet in left:
        yield packet


class _Order:
    """Numbers frames before they are decoded, by the packets that are read ahead.

    A packet's number is that of the packets that are shown before it. All of these are known once
    one is read that is to be decoded after it is shown.
    """

    def __init__(self, stream: VideoStream, look: Look) -> None:
        self._stream, self._look = stream, look
        self._times: list[int] = []
        self._passed = 0  # not in the list any more
        self._decoded_at = 0  # of the newest packet
        self._is_exact = True

    def packets(self, container: InputContainer) -> Iterator[tuple[Packet, bool]]:
        """As they are to be decoded, and whether nobody needs the frame."""
        waiting: deque[tuple[Packet, bool]] = deque()
        for packet in container.demux(self._stream):
            waiting.append((packet, bool(packet.size) and self._add(packet)))
            while waiting and self._is_known(*waiting[0]):
                yield self._judged(*waiting.popleft())
        for packet, may_be in waiting:
            yield self._judged(packet, may_be)

    def check(self, time: int | None, number: int) -> None:
        """Compare with what the decoder gives; of files that are numbered otherwise take all."""
        if time is None or self._number(time) != number:
            self._is_exact = False
        elif len(self._times) > _KEPT:
            self._passed = number
            del self._times[:bisect_left(self._times, time)]

    def _add(self, packet: Packet) -> bool:
        """Whether the packet can be left out, as far as other frames go."""
        if packet.is_discard or packet.pts is None or packet.dts is None:
            self._is_exact = False
        if not self._is_exact:
            return False
        assert packet.pts is not None and packet.dts is not None
        codec = self._stream.codec_context
        # AVI numbers packets in the order of decoding, whatever is shown first.
        may_lie = codec.has_b_frames and not (self._times and packet.pts < self._times[-1])
        insort(self._times, packet.pts)
        self._decoded_at = packet.dts
        return (self._look.last is not None and not may_lie and not packet.is_corrupt
                and is_disposable(codec, packet))

    def _judged(self, packet: Packet, may_be: bool) -> tuple[Packet, bool]:
        last, time = self._look.last, packet.pts
        if not may_be or not self._is_exact or last is None or time is None:
            return packet, False
        number = self._number(time)
        return packet, self._behind(number) > last and not self._look(number)

    def _is_known(self, packet: Packet, may_be: bool) -> bool:
        last, time = self._look.last, packet.pts
        return not may_be or not self._is_exact or last is None or time is None or (
            self._decoded_at >= time and self._behind(self._number(time)) > last)

    def _behind(self, number: int) -> int:
        """How many frames are known from this one on."""
        return self._passed + len(self._times) - number

    def _number(self, time: int) -> int:
        return self._passed + bisect_left(self._times, time)


def frame_rate(container: InputContainer) -> float:
    """Frames a second, on average; 25 where the file does not say."""
    stream = video_stream(container)
    return float(stream.average_rate or stream.guessed_rate or 25)


def _maker(frame: VideoFrame, picture: Pictures,
           size: tuple[int, int]) -> Callable[[], np.ndarray]:
    return lambda: picture(frame, size)


def _left_out() -> np.ndarray:
    raise ValueError('a video must be looked at in every window as in its first two, but here a '
                     'frame is asked for that was left out: windows must be sampled alike')


def _damaged(number: int) -> ValueError:
    return ValueError(
        f'a video must be whole to its end, but frame {number} (from 0) is damaged or cut off')
