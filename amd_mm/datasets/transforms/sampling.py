"""Which frames make a clip, as in the released pre-training of VideoMAE and AMD."""
from abc import abstractmethod

import numpy as np
from mmcv.transforms import BaseTransform

from amd_mm.registry import TRANSFORMS
from amd_mm.values import takes, whole


class _SampleClip(BaseTransform):
    """One random clip of a video.

    Reads ``total_frames`` and ``start_index``; adds ``frame_inds`` (clip_len, ), ``clip_len``,
    ``frame_interval`` and ``num_clips`` (1).

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: A clip spans ``clip_len * frame_interval`` frames, at least 1.

    Raises:
        ValueError: For a number below 1; for a video without frames when it is sampled.
    """

    @takes(clip_len=whole(1), frame_interval=whole(1))
    def __init__(self, clip_len: int, frame_interval: int) -> None:
        self.clip_len = clip_len
        self.frame_interval = frame_interval

    @abstractmethod
    def _frame_ids(self, length: int) -> np.ndarray:
        """Frame numbers, counted from 0, in a video of ``length`` frames."""

    def transform(self, results: dict) -> dict:
        """Choose the frames.

        Args:
            results: What the transforms before left.

        Returns:
            The same dictionary.
        """
        if results['total_frames'] < 1:
            raise ValueError(
                f'a video must hold at least one frame, got {results["total_frames"]}')
        frame_ids = self._frame_ids(results['total_frames']) + results['start_index']
        results.update(
            frame_inds=frame_ids, clip_len=self.clip_len, frame_interval=self.frame_interval,
            num_clips=1)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(clip_len={self.clip_len}, '
                f'frame_interval={self.frame_interval})')


@TRANSFORMS.register_module()
class SampleStridedFrames(_SampleClip):
    """Every ``frame_interval``-th frame from a random start (Kinetics-400: 16, every 4th).

    A video shorter than the span starts at its first frame and repeats its last strided
    frame. That is the last one with another frame after it, as in the released code, and
    not always what ``mmaction.SampleFrames(out_of_bound_opt='repeat_last')`` repeats.

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: Distance of neighbouring frames, at least 1.
    """

    def _frame_ids(self, length: int) -> np.ndarray:
        start = np.random.randint(max(length - self.clip_len * self.frame_interval, 0) + 1)
        steps = np.arange(self.clip_len)
        last_step = max((length - 2 - start) // self.frame_interval, 0)
        return start + np.minimum(steps, last_step) * self.frame_interval


@TRANSFORMS.register_module()
class SampleEvenFrames(_SampleClip):
    """Evenly spaced frames over a random window (Something-Something V2: 16 over 32).

    The first and the last frame of the window are in the clip. A video that is no longer than
    the window gives ``length // frame_interval`` evenly spaced frames and repeats its last.

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: The window holds ``clip_len * frame_interval`` frames.
    """

    def _frame_ids(self, length: int) -> np.ndarray:
        window = self.clip_len * self.frame_interval
        if length > window:
            start = np.random.randint(length - window)
            ids = np.linspace(0, window, self.clip_len).clip(max=window - 1)
        else:
            start = 0
            ids = np.full(self.clip_len, length - 1, dtype=np.float64)
            spaced = length // self.frame_interval
            ids[:spaced] = np.linspace(0, length, spaced).clip(max=length - 1)
        return start + ids.astype(np.int64)
