"""Which frames make a clip, as in the released training and testing of VideoMAE and AMD."""
from abc import abstractmethod

import numpy as np
from mmcv.transforms import BaseTransform

from amd_mm.registry import TRANSFORMS
from amd_mm.values import takes, whole


class _SampleClips(BaseTransform):
    """Some clips of a video.

    Reads ``total_frames`` and ``start_index``; adds ``frame_inds`` (num_clips * clip_len, ),
    ``clip_len``, ``frame_interval`` and ``num_clips``.

    Args:
        clip_len: Frames of a clip, at least 1.
        num_clips: Clips of a video, at least 1.

    Attributes:
        frame_interval: Distance of neighbouring frames; None: it differs.

    Raises:
        ValueError: For a number below 1; for a video without frames when it is sampled.
    """

    frame_interval: int | None = None

    @takes(clip_len=whole(1), num_clips=whole(1))
    def __init__(self, clip_len: int, num_clips: int = 1) -> None:
        self.clip_len = clip_len
        self.num_clips = num_clips

    @abstractmethod
    def _frame_ids(self, length: int) -> np.ndarray:
        """Frame numbers, counted from 0, in a video of ``length`` frames, clip after clip."""

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
            num_clips=self.num_clips)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(clip_len={self.clip_len}, '
                f'frame_interval={self.frame_interval}, num_clips={self.num_clips})')


class _SampleAtInterval(_SampleClips):
    """Clips whose neighbouring frames are ``frame_interval`` apart, at least 1."""

    frame_interval: int

    @takes(frame_interval=whole(1))
    def __init__(self, clip_len: int, frame_interval: int, num_clips: int = 1) -> None:
        super().__init__(clip_len, num_clips)
        self.frame_interval = frame_interval


@TRANSFORMS.register_module()
class SampleStridedFrames(_SampleAtInterval):
    """Every ``frame_interval``-th frame from a random start (Kinetics-400: 16, every 4th).

    A video shorter than the span starts at its first frame and repeats its last strided
    frame. That is the last one with another frame after it, as in the released code, and
    not always what ``mmaction.SampleFrames(out_of_bound_opt='repeat_last')`` repeats.

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: Distance of neighbouring frames, at least 1.
    """

    def __init__(self, clip_len: int, frame_interval: int) -> None:
        super().__init__(clip_len, frame_interval)

    def _frame_ids(self, length: int) -> np.ndarray:
        start = np.random.randint(max(length - self.clip_len * self.frame_interval, 0) + 1)
        steps = np.arange(self.clip_len)
        last_step = max((length - 2 - start) // self.frame_interval, 0)
        return start + np.minimum(steps, last_step) * self.frame_interval


@TRANSFORMS.register_module()
class SampleEvenFrames(_SampleAtInterval):
    """Evenly spaced frames over a random window (Something-Something V2: 16 over 32).

    The first and the last frame of the window are in the clip. A video that is no longer than
    the window gives ``length // frame_interval`` evenly spaced frames and repeats its last.

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: The window holds ``clip_len * frame_interval`` frames.
    """

    def __init__(self, clip_len: int, frame_interval: int) -> None:
        super().__init__(clip_len, frame_interval)

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


@TRANSFORMS.register_module()
class SampleSegmentFrames(_SampleClips):
    """One random frame of each of ``clip_len`` segments (fine-tuning on Something-Something V2).

    A segment holds ``length // clip_len`` frames, as in the released code, so the last
    ``length % clip_len`` frames of a video are never seen. A video with fewer frames than
    segments repeats its first.

    Args:
        clip_len: Frames of a clip, at least 1.
    """

    def __init__(self, clip_len: int) -> None:
        super().__init__(clip_len)

    def _frame_ids(self, length: int) -> np.ndarray:
        segment = length // self.clip_len
        if segment == 0:
            return np.maximum(np.arange(length - self.clip_len, length), 0)
        return np.arange(self.clip_len) * segment + np.random.randint(segment, size=self.clip_len)


@TRANSFORMS.register_module()
class SampleSegmentClips(_SampleClips):
    """Clips of one frame a segment at fixed places (testing on Something-Something V2).

    The first clip takes the first frame of each segment of ``length / clip_len`` frames, and of
    ``num_clips`` clips the last one that in the middle. Those between stand at 1 / num_clips,
    1 / (num_clips - 1) ... of a segment, as in the released code. One clip alone takes the middle.

    Args:
        clip_len: Frames of a clip, at least 1.
        num_clips: Clips of a video, at least 1.
    """

    def _frame_ids(self, length: int) -> np.ndarray:
        segment = length / self.clip_len
        offsets = [0., *(segment / parts for parts in range(self.num_clips, 1, -1))]
        if self.num_clips == 1:
            offsets = [segment / 2]
        ids = np.array(offsets)[:, None] + segment * np.arange(self.clip_len)
        return ids.astype(np.int64).ravel()


@TRANSFORMS.register_module()
class SampleStridedClips(_SampleAtInterval):
    """Evenly spread clips of every ``frame_interval``-th frame (testing on Kinetics-400).

    Only frames whose number is a multiple of ``frame_interval`` are taken, as in the released
    code; ``mmaction.SampleFrames(test_mode=True)`` starts a clip anywhere. The last of them is
    repeated where a video is shorter than a clip. One clip alone stands in the middle.

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: Distance of neighbouring frames, at least 1.
        num_clips: Clips of a video, at least 1.
    """

    def _frame_ids(self, length: int) -> np.ndarray:
        last = (length - 1) // self.frame_interval
        free = max(last + 1 - self.clip_len, 0)
        if self.num_clips == 1:
            starts = np.array([free // 2])
        else:
            starts = (np.arange(self.num_clips) * (free / (self.num_clips - 1))).astype(np.int64)
        steps = starts[:, None] + np.arange(self.clip_len)
        return (np.minimum(steps, last) * self.frame_interval).ravel()


@TRANSFORMS.register_module()
class SampleKeyFrameClip(BaseTransform):
    """Every ``frame_interval``-th frame around a key frame (VideoMAE's action detection).

    The frames stand in the middle of each interval and do not change from epoch to epoch, while
    ``mmaction.SampleAVAFrames`` takes the first of each in testing and any in training. Frames
    beyond an end of the video are the one at that end.

    Reads ``fps``, ``timestamp``, ``timestamp_start``, ``total_frames`` and ``start_index``; adds
    ``frame_inds`` (clip_len, ), ``clip_len``, ``frame_interval``, ``num_clips`` (1) and the
    ``crop_quadruple`` of the whole picture.

    Args:
        clip_len: Frames of a clip, at least 1.
        frame_interval: Distance of neighbouring frames, at least 1.
    """

    @takes(clip_len=whole(1), frame_interval=whole(1))
    def __init__(self, clip_len: int, frame_interval: int) -> None:
        self.clip_len = clip_len
        self.frame_interval = frame_interval

    def transform(self, results: dict) -> dict:
        """Choose the frames.

        Args:
            results: What data set and transforms before left.

        Returns:
            The same dictionary.
        """
        key_frame = results['fps'] * (results['timestamp'] - results['timestamp_start'])
        span = self.clip_len * self.frame_interval
        first = key_frame - span // 2 + (self.frame_interval - 1) // 2
        ids = np.arange(first, first + span, self.frame_interval)
        results.update(
            frame_inds=ids.clip(0, results['total_frames'] - 1) + results['start_index'],
            clip_len=self.clip_len, frame_interval=self.frame_interval, num_clips=1,
            crop_quadruple=np.array([0, 0, 1, 1], dtype=np.float32))
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(clip_len={self.clip_len}, '
                f'frame_interval={self.frame_interval})')
