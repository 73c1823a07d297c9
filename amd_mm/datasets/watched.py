"""Data sets whose workers leave word of what they read, so that a lost one can be told of."""
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import Dataset, get_worker_info

from amd_mm.datasets.loading_process import ProcessLost

# Places that workers write what they read into.
_MOST_WORKERS = 1024
_PATH_KEYS = ('filename', 'img_path', 'frame_dir')


class WatchedDataset(Dataset, ABC):
    """Samples that cost a process are known to all workers, and not tried again.

    Args:
        size: Number of samples.
        time_limit: Seconds that a process may take for one, for messages.
    """

    def __init__(self, size: int, time_limit: float = math.inf) -> None:
        self._limit = time_limit
        # What each sample did to its process, 0 for nothing; all workers share it.
        self._exit_codes = torch.zeros(size, dtype=torch.int16).share_memory_()
        # What each worker reads, counted from 1, or 0 for nothing; it tells of a lost one.
        self._read_by = torch.zeros(_MOST_WORKERS, dtype=torch.int64).share_memory_()

    @abstractmethod
    def get_data_info(self, index: int) -> dict:
        """Annotation of one sample."""

    def blame(self, worker: int, exit_code: int) -> str | None:
        """Count what a lost worker was reading as a bad sample.

        Args:
            worker: Its number in the dataloader.
            exit_code: As of ``multiprocessing.Process``.

        Returns:
            The path of the sample; None if the worker was reading nothing.
        """
        path = self.read_by(worker)
        if path is not None:
            self._exit_codes[int(self._read_by[worker]) - 1] = exit_code
            self._read_by[worker] = 0
        return path

    def read_by(self, worker: int) -> str | None:
        """The path of the sample that a worker is reading; None if it is reading nothing."""
        candidate = int(self._read_by[worker]) - 1
        return None if candidate < 0 else self._path(candidate)

    @contextmanager
    def _reading(self, index: int) -> Iterator[None]:
        """Leave word of the sample that is read in here.

        Raises:
            ProcessLost: If it cost a process before; if it does, of a process in here.
        """
        before = int(self._exit_codes[index])
        if before:
            raise ProcessLost(before, self._limit)
        worker = get_worker_info()
        if worker is not None:
            self._read_by[worker.id] = index + 1
        try:
            yield
        except ProcessLost as error:
            self._exit_codes[index] = error.exit_code
            raise
        finally:
            if worker is not None:
                self._read_by[worker.id] = 0

    def _path(self, index: int) -> str:
        info: Any = self.get_data_info(index)
        return next((str(info[key]) for key in _PATH_KEYS if key in info), f'sample {index}')
