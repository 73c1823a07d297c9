"""Windows of many videos through one network, in batches, resumable to the bit."""
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from amd_mm.datasets.files import printable
from amd_mm.datasets.transforms.frame_stream import Look
from amd_mm.inference.files import reading
from amd_mm.inference.journal import FileEnd, Journal
from amd_mm.inference.windows import VIDEO_RULE, Cut, video_frames


class WindowNetwork(Protocol):
    """What takes windows: a classifier of videos, or an extractor of their features."""

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Of what comes out for a window."""

    def window_length(self, fps: float) -> int:
        """Frames that the sampling of a window spans, of a number of frames a second."""

    def prepare(self, frames: Sequence[np.ndarray]) -> Any:
        """A window's frames as the network takes them."""

    def compute(self, samples: Sequence[Any]) -> Tensor:
        """(B, *window_shape) of some windows, in one batch."""


class _Sample(NamedTuple):
    start: float
    end: float
    prepared: Any


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
        file: Number of the file in hand, from 0.
        seconds: Of it that were gone through.
    """
    file: int
    seconds: float


class WindowRun:
    """Goes through videos, window by window, and keeps what comes out in a journal.

    Batches are cut by number from the windows of all files in order. So a run that goes on after
    an interruption computes the same batches, and what it gives is the same in every bit.

    Args:
        network: That takes the windows.
        cut: How they lie.
        batch_size: Windows of a batch, at least 1; files that end share one with the next.
        journal: Takes the rows; of the same files and settings.
        tell: Is told after each batch how far the run is.
    """

    def __init__(self, network: WindowNetwork, cut: Cut, batch_size: int, journal: Journal,
                 tell: Callable[[Progress], None] = lambda progress: None) -> None:
        self.network, self.cut, self.batch_size = network, cut, batch_size
        self.journal, self.tell = journal, tell

    def __call__(self, files: Sequence[Path]) -> Iterator[int]:
        """Go through the files that have not been gone through.

        Yields:
            The number of each file that is done, from 0, once its rows are on the disk.
        """
        first = len(self.journal.ends)
        yield from range(first)
        before = self.journal.ends[-1].rows if first else 0
        batch: list[_Sample] = []
        ends: list[FileEnd] = []
        total = before
        for number in range(first, len(files)):
            skip = max(0, self.journal.num_rows - before) if number == first else 0
            total += skip
            notes: list[str] = []
            samples, error = self._samples(files[number], skip, notes), None
            while True:
                # Faults of the network are not the file's.
                try:
                    sample = next(samples, None)
                except ValueError as reason:
                    error = str(reason)
                    break
                if sample is None:
                    break
                batch.append(sample)
                total += 1
                if len(batch) == self.batch_size:
                    yield from self._compute(batch, ends)
                    self.tell(Progress(number, sample.end))
            ends.append(FileEnd(total, error, notes))
            if not batch:
                yield from self._compute(batch, ends)
        yield from self._compute(batch, ends)

    def _samples(self, path: Path, skip: int, notes: list[str]) -> Iterator[_Sample]:
        """The windows of a file but for the first few, ready for the network."""
        look = Look()
        video = video_frames(path, look)
        length, count = self.network.window_length, 0
        for count, window in enumerate(self.cut(video, length, look), 1):
            if count == 1 and self.cut.window is None and (
                    len(window.frames) < length(video.fps)):
                notes.append(f'it has {len(window.frames)} frames, a window {length(video.fps)}: '
                             'frames are repeated')
            if count > skip:
                pictures = window.pictures
                with reading(path, VIDEO_RULE):
                    prepared = self.network.prepare(pictures)
                look.learn(pictures.looked_at, len(pictures))
                yield _Sample(window.start, window.end, prepared)
        if not count:
            raise ValueError(f'{printable(path)}: must be {VIDEO_RULE}, but holds no frame')

    def _compute(self, batch: list[_Sample], ends: list[FileEnd]) -> Iterator[int]:
        """Compute a batch and write it down with the ends of files; both are empty afterwards."""
        if not batch and not ends:
            return
        done = len(self.journal.ends)
        values = (self.network.compute([sample.prepared for sample in batch]).numpy()
                  if batch else np.empty(0, np.float32))
        self.journal.add([(sample.start, sample.end) for sample in batch], values, ends)
        batch.clear()
        ends.clear()
        yield from range(done, len(self.journal.ends))
