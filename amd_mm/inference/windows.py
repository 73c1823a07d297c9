"""Videos of any length as windows that slide over them, every frame decoded once."""
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from amd_mm.datasets.transforms.containers import open_container
from amd_mm.datasets.transforms.frame_stream import (
    Look,
    ShownFrame,
    frame_rate,
    frames_in_order,
)
from amd_mm.inference.files import reading

VIDEO_RULE = 'a video that FFmpeg decodes'


class Frames(NamedTuple):
    """A video as it comes.

    Attributes:
        fps: Frames a second, on average.
        frames: One after the other.
    """
    fps: float
    frames: Iterator[ShownFrame]


class Window(NamedTuple):
    """Some frames in a row.

    Attributes:
        start: When the first one is shown, in seconds.
        end: When the last one ends.
        frames: All of them.
    """
    start: float
    end: float
    frames: list[ShownFrame]

    @property
    def pictures(self) -> 'Pictures':
        """What they show."""
        return Pictures(self.frames)


class Pictures(Sequence[np.ndarray]):
    """The pictures of some frames, each made when it is looked at.

    Attributes:
        looked_at: Places of those that were.
    """

    def __init__(self, frames: Sequence[ShownFrame]) -> None:
        self._frames = frames
        self.looked_at: set[int] = set()

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, place: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, place: slice) -> list[np.ndarray]: ...

    def __getitem__(self, place: int | slice) -> np.ndarray | list[np.ndarray]:
        """(H, W, 3) uint8 RGB, or a list of them."""
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self[one] for one in places]
        self.looked_at.add(places)
        return self._frames[places].picture


class Cut(NamedTuple):
    """How windows lie.

    Attributes:
        window: Seconds of a window on the video's clock; None: as many frames as the network's
            sampling spans, however long they are shown.
        stride: Seconds from the start of one window to the next; None: half a window.
    """
    window: float | None = None
    stride: float | None = None

    def __call__(self, video: Frames, length: Callable[[float], int],
                 look: Look | None = None) -> Iterator[Window]:
        """The windows of a video.

        Args:
            video: Is used up.
            length: Gives the frames of a window, of a number of frames a second.
            look: Of that video, is told how windows lie.
        """
        if self.window is not None:
            return windows_by_time(
                video.frames, self.window, self.stride or self.window / 2, .5 / video.fps)
        frames = length(video.fps)
        stride = max(1, frames // 2 if self.stride is None else round(self.stride * video.fps))
        if look is not None:
            look.lie(frames, stride)
        return windows_by_count(video.frames, frames, stride)


def windows_by_count(frames: Iterable[ShownFrame], length: int, stride: int) -> Iterator[Window]:
    """Windows of as many frames each, of which no more are kept.

    The last window ends with the last frame, however far from the one before; fewer frames than
    ``length`` make one window.

    Args:
        frames: In order.
        length: Frames of a window, at least 1.
        stride: From the start of one window to the next, at least 1.
    """
    recent: deque[ShownFrame] = deque(maxlen=length)
    count = end = 0
    for count, frame in enumerate(frames, 1):
        recent.append(frame)
        if count >= length and (count - length) % stride == 0:
            end = count
            yield _window(recent)
    if count > end:
        yield _window(recent)


def windows_by_time(frames: Iterable[ShownFrame], length: float, stride: float,
                    tolerance: float) -> Iterator[Window]:
    """Windows of as many seconds each, however many frames are shown in them.

    Window ``n`` holds the frames from ``n * stride`` on for ``length`` seconds; where nothing is
    shown there is none. The last one ends with the last frame; frames that together are shorter
    than ``length`` make one window.

    Args:
        frames: In order.
        length: Of a window, in seconds.
        stride: From one to the next, in seconds.
        tolerance: In seconds: a frame belongs to a window that begins so much later, and not to
            one that ends so much later. Half a frame, as times are rounded.
    """
    recent: deque[ShownFrame] = deque()
    number, time, end = 0, 0., -1.
    for frame in frames:
        time = frame.time
        while time >= number * stride + length - tolerance:
            first = number * stride - tolerance
            inside = [one for one in recent if first <= one.time < first + length]
            number += 1
            if inside:
                end = inside[-1].time
                yield _window(inside)
        recent.append(frame)
        needed = min(number * stride, time - length) - tolerance
        while recent[0].time < needed:
            recent.popleft()
    if recent and end < time:
        first = time + recent[-1].duration - length - tolerance
        yield _window([one for one in recent if one.time >= first] or [recent[-1]])


def video_frames(path: str | Path, look: Look | None = None) -> Frames:
    """A file; it is never in memory as a whole.

    Args:
        path: Its name.
        look: As :func:`frames_in_order` takes it.

    Raises:
        ValueError: Here or at the frame that cannot be decoded.
    """
    with reading(path, VIDEO_RULE):
        container = open_container(Path(path).open('rb'))
        rate = frame_rate(container)

    def decode() -> Iterator[ShownFrame]:
        with reading(path, VIDEO_RULE):
            yield from frames_in_order(container, look)

    return Frames(rate, decode())


def _window(frames: Iterable[ShownFrame]) -> Window:
    kept = list(frames)
    return Window(kept[0].time, kept[-1].time + kept[-1].duration, kept)
