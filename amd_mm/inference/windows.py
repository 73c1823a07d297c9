"""Videos frame by frame, of any length, and the windows that slide over them."""
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from amd_mm.datasets.transforms.containers import open_container
from amd_mm.datasets.transforms.indexed_video import frames_in_order, video_stream
from amd_mm.inference.files import reading


class Window(NamedTuple):
    """Some frames in a row.

    Attributes:
        start: Number of the first frame, from 0.
        end: Number after the last.
        frames: (H, W, 3) uint8, RGB.
    """
    start: int
    end: int
    frames: list[np.ndarray]


class Frames(NamedTuple):
    """A video as it comes.

    Attributes:
        fps: Frames a second.
        frames: (H, W, 3) uint8, RGB, one after the other.
    """
    fps: float
    frames: Iterator[np.ndarray]


def sliding_windows(frames: Iterable[np.ndarray], length: int, stride: int) -> Iterator[Window]:
    """Windows over frames of which no more than ``length`` are kept.

    The last window ends with the last frame, however far from the one before; fewer frames than
    ``length`` make one window.

    Args:
        frames: In order.
        length: Frames of a window, at least 1.
        stride: From the start of one window to the next, at least 1.
    """
    recent: deque[np.ndarray] = deque(maxlen=length)
    count = end = 0
    for count, frame in enumerate(frames, 1):
        recent.append(frame)
        if count >= length and (count - length) % stride == 0:
            end = count
            yield Window(end - length, end, list(recent))
    if count > end:
        yield Window(count - len(recent), count, list(recent))


def video_frames(path: str | Path) -> Frames:
    """A file; it is never in memory as a whole.

    Raises:
        ValueError: Here or at the frame that cannot be decoded.
    """
    rule = 'a video that FFmpeg decodes'
    with reading(path, rule):
        container = open_container(Path(path).open('rb'))
        rate = video_stream(container).average_rate

    def decode() -> Iterator[np.ndarray]:
        with reading(path, rule):
            yield from frames_in_order(container)

    return Frames(float(rate or 0), decode())


def camera_frames(source: str) -> Frames:
    """A camera or stream, until it ends.

    Args:
        source: Number of a camera, from 0, or whatever else OpenCV opens: a device, an address.

    Raises:
        ValueError: If it cannot be opened.
    """
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not capture.isOpened():
        raise ValueError(f'{source}: must be a camera or stream that OpenCV opens, but is not: '
                         'check its number or address')

    def grab() -> Iterator[np.ndarray]:
        try:
            while (grabbed := capture.read())[0]:
                yield cv2.cvtColor(grabbed[1], cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    # Cameras that do not say their rate say 0.
    return Frames(capture.get(cv2.CAP_PROP_FPS) or 30., grab())
