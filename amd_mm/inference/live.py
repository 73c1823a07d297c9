"""Cameras and streams: the newest frames count, and what there was no time for is counted."""
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Condition, Thread
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from amd_mm.datasets.files import printable
from amd_mm.datasets.transforms.frame_stream import ShownFrame
from amd_mm.inference.windows import Window

# OpenCV gives up so many seconds after us, and its thread is waited for a little longer: Python
# aborts where a thread comes back from OpenCV when all else has ended.
_LATER, _WAIT = .5, 3.


class Source(Protocol):
    """What frames come from; OpenCV's ``VideoCapture`` is one."""

    def isOpened(self) -> bool:  # noqa: N802
        """Whether there is anything to read."""

    def read(self) -> tuple[bool, Any]:
        """Whether there is a frame, and (H, W, 3) uint8 BGR; waits for it."""

    def get(self, property_id: int) -> float:
        """Of OpenCV's properties."""

    def release(self) -> None:
        """Give it back."""


class Live(NamedTuple):
    """A window of a camera.

    Attributes:
        window: The newest frames; times count from the first frame of all.
        fresh: How many of its frames no window has had before.
        dropped: Frames, since the beginning, that were in no window.
    """
    window: Window
    fresh: int
    dropped: int


def open_source(name: str, time_limit: float) -> Source:
    """A camera or stream by OpenCV.

    Args:
        name: Number of a camera, from 0, or whatever else OpenCV opens: a device, an address.
        time_limit: Seconds after which a stream that sends nothing is given up, to open it and
            for every frame; half a minute is FFmpeg's own.
    """
    if re.match(r'[a-z]+://', name):
        limit = round(1000 * time_limit)
        return cv2.VideoCapture(name, cv2.CAP_FFMPEG, [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit])
    return cv2.VideoCapture(int(name) if name.isdecimal() else name)


class Camera:
    """Reads a camera or stream in a thread that never waits for the network.

    It keeps the newest frames, no more than a window. Who is slow gets the newest ones when he
    asks again; the others are lost and counted, so that no delay grows.

    Args:
        name: As :func:`open_source` takes it.
        time_limit: Seconds after which a source that sends nothing counts as broken.
        source: Opens it; None: :func:`open_source`.
        clock: Gives seconds, for when a frame is read; None: the system's.

    Raises:
        ValueError: If it is a file, or does not open within the limit.
    """

    def __init__(self, name: str, time_limit: float = 10.,
                 source: Callable[[str], Source] | None = None,
                 clock: Callable[[], float] | None = None) -> None:
        if Path(name).is_file():
            raise ValueError(f'{printable(name)}: a camera must be a number, a device or the '
                             'address of a stream, but this is a file; name it as an input, with '
                             '--sliding')
        self.name, self.time_limit = printable(name), time_limit
        self._open = lambda: (
            source(name) if source is not None else open_source(name, time_limit + _LATER))
        self._clock = clock or time.monotonic
        self._changed = Condition()
        self._recent: deque[ShownFrame] = deque(maxlen=1)
        self._fps: float | None = None
        self._arrived, self._ended = 0, False
        self._stop = False
        # One that hangs in a driver must not keep the process.
        self._reader = Thread(target=self._read, name='camera', daemon=True)
        self._reader.start()
        with self._changed:
            opened = self._changed.wait_for(
                lambda: self._fps is not None or self._ended, time_limit)
        if not opened:
            self.close()
            raise ValueError(f'{self.name}: a camera or stream must open within {time_limit:g} s, '
                             'but did not; check its address, or give it more --time-limit')
        if self._fps is None:
            raise ValueError(f'{self.name}: must be a camera or stream that OpenCV opens, but is '
                             'not: check its number or address')
        self.fps: float = self._fps

    def windows(self, length: int, stride: int) -> Iterator[Live]:
        """The newest frames, again and again, until the source ends.

        Args:
            length: Frames of a window, at least 1.
            stride: Frames that have to be new since the last one, at least 1.

        Raises:
            ValueError: If there was no frame at all, or none came for ``time_limit`` seconds.
        """
        with self._changed:
            self._recent = deque(self._recent, length)
            lost = self._arrived - len(self._recent)
        return self._windows(length, stride, lost)

    def _windows(self, length: int, stride: int, dropped: int) -> Iterator[Live]:
        began = taken = dropped
        while True:
            with self._changed:
                needed = taken + (length if taken == began else stride)
                self._wait_for(needed)
                arrived, frames = self._arrived, list(self._recent)
                ended = self._ended
            fresh = min(arrived - taken, len(frames))
            if fresh and (arrived >= needed or taken == began):
                dropped += arrived - taken - fresh
                taken = arrived
                start, last = frames[0].time, frames[-1]
                yield Live(Window(start, last.time + last.duration, frames), fresh, dropped)
            elif ended:
                if not arrived:
                    raise ValueError(f'{self.name}: a camera or stream must send frames, but it '
                                     'ended before the first one; check its address')
                return

    def close(self) -> None:
        """Stop reading; waits until the source is given back, but not for a driver that hangs."""
        self._stop = True
        self._reader.join(_WAIT)

    def _wait_for(self, needed: int) -> None:
        while self._arrived < needed and not self._ended:
            before = self._arrived
            if not self._changed.wait_for(
                    lambda: self._arrived > before or self._ended,  # noqa: B023
                    self.time_limit):
                what = 'sent none' if not before else f'sent none after its first {before}'
                raise ValueError(f'{self.name}: a camera or stream must send a frame within '
                                 f'{self.time_limit:g} s, but {what}; check it, or give it more '
                                 '--time-limit')

    def _read(self) -> None:
        source = self._open()
        try:
            if not source.isOpened():
                return
            # Cameras that do not say their rate say 0.
            fps = source.get(cv2.CAP_PROP_FPS) or 30.
            with self._changed:
                self._fps = fps
                self._changed.notify_all()
            began: float | None = None
            while not self._stop and (read := source.read())[0]:
                now = self._clock()
                began = now if began is None else began
                frame = ShownFrame(now - began, 1 / fps, _maker(read[1]))
                with self._changed:
                    self._recent.append(frame)
                    self._arrived += 1
                    self._changed.notify_all()
        finally:
            source.release()
            with self._changed:
                self._ended = True
                self._changed.notify_all()


def _maker(picture: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
