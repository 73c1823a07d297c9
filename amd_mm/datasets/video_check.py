"""Whether videos can be read, before a run finds out."""
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from torch.utils.data import DataLoader, Dataset

from amd_mm.datasets.files import reason_of
from amd_mm.datasets.loading_process import LoadingProcess, ProcessLost
from amd_mm.registry import TRANSFORMS


class Verdict(NamedTuple):
    """What a video is good for.

    Attributes:
        kind: ``'short'`` has too few frames, ``'broken'`` cannot be read.
        reason: What is the matter, in words that go on after the name; '' for a good one.
    """
    kind: Literal['good', 'short', 'broken']
    reason: str


def check_videos(paths: Sequence[str], min_frames: int, workers: int,
                 time_limit: float) -> Iterator[Verdict]:
    """Open videos and decode the first and the last frame of each.

    A decoder that hangs or crashes makes its video a broken one, and stops nothing else.

    Args:
        paths: Of the videos.
        min_frames: What has fewer is short.
        workers: Processes that do it; 0: a single one.
        time_limit: Seconds that one video may take.

    Yields:
        A verdict on each, in order.
    """
    yield from DataLoader(_Verdicts(paths, min_frames, time_limit), batch_size=None,
                          num_workers=min(workers, len(paths)))


class _Verdicts(Dataset):

    def __init__(self, paths: Sequence[str], min_frames: int, time_limit: float) -> None:
        self.paths, self.min_frames = paths, min_frames
        self._check = LoadingProcess(_check, time_limit)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Verdict:
        try:
            return self._check(self.paths[number], self.min_frames)
        except ProcessLost as error:
            return Verdict('broken', str(error))


def _check(path: str, min_frames: int) -> Verdict:
    try:
        results = TRANSFORMS.build(dict(type='amd_mm.PyAVInit'))(dict(filename=path))
        total = results['total_frames']
        if total < 1:
            return Verdict('broken', 'holds no frame')
        results['frame_inds'] = [0, total - 1]
        TRANSFORMS.build(dict(type='amd_mm.PyAVDecode'))(results)
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # what a decoder raises differs from one to the other
        return Verdict('broken', reason_of(error))
    if total < min_frames:
        return Verdict('short', f'has {total} frames, fewer than {min_frames}')
    return Verdict('good', '')
