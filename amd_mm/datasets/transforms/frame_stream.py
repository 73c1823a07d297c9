"""Videos of any length, frame after frame, with the times at which they are shown."""
from collections.abc import Callable, Iterator

import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.error import FFmpegError

from amd_mm.datasets.transforms.indexed_video import Pictures, video_stream

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


def frames_in_order(container: InputContainer) -> Iterator[ShownFrame]:
    """The frames of a video of any length as :class:`IndexedVideo` shows them, one at a time.

    Times are those of the file, counted from its start as players count them. Where a frame has
    none, or one that is not after the frame before, it is a frame of the average rate later.

    Args:
        container: An open PyAV container; it is closed in the end.

    Raises:
        ValueError: Without a video stream, and at the first frame that is damaged.
    """
    with container:
        stream = video_stream(container)
        start = (container.start_time or 0) / _MICRO
        step = 1 / frame_rate(container)
        picture, size, count, time = Pictures(), None, 0, -step
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise _damaged(count)
                size = size or (frame.width, frame.height)
                told = None if frame.time is None else frame.time - start
                time = time + step if told is None or told <= time else told
                duration = float((frame.duration or 0) * (frame.time_base or 0)) or step
                yield ShownFrame(time, duration, _maker(frame, picture, size))
                count += 1
        except FFmpegError as error:
            raise _damaged(count) from error


def frame_rate(container: InputContainer) -> float:
    """Frames a second, on average; 25 where the file does not say."""
    stream = video_stream(container)
    return float(stream.average_rate or stream.guessed_rate or 25)


def _maker(frame: VideoFrame, picture: Pictures,
           size: tuple[int, int]) -> Callable[[], np.ndarray]:
    return lambda: picture(frame, size)


def _damaged(number: int) -> ValueError:
    return ValueError(
        f'a video must be whole to its end, but frame {number} (from 0) is damaged or cut off')
