"""What a network gave for window after window of many files, on the disk as it comes."""
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from amd_mm.export.writing import replacing


class FileEnd(NamedTuple):
    """A file that has been gone through.

    Attributes:
        rows: Of all files up to its end.
        error: Why it counts for nothing; None for a good one.
        notes: Sentences about what had to be done to it.
    """
    rows: int
    error: str | None
    notes: list[str]


class Journal:
    """Rows of windows that grow batch by batch and survive a process that is killed.

    A row is ``start`` and ``end`` of a window in seconds, and ``values``. What counts is what
    ``progress.json`` says, which is replaced after each batch; whatever a killed process has
    written behind that is cut off.

    Args:
        folder: Of the files; made where it is not.
        shape: Of a window's values.
        settings: Everything that the rows depend on; JSON.

    Attributes:
        ends: Of the files that were gone through, in order.
        num_rows: So far, of files that are not at their end too.

    Raises:
        ValueError: If the folder is of other settings.
    """

    def __init__(self, folder: Path, shape: Sequence[int], settings: dict) -> None:
        self.folder = folder
        self._dtype = np.dtype(
            [('start', '<f8'), ('end', '<f8'), ('values', '<f4', tuple(shape))])
        text = json.dumps([list(shape), settings], sort_keys=True)
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self.ends: list[FileEnd] = []
        self.num_rows = 0
        self._ends_size = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        self._rows = self._opened('rows.bin', self.num_rows * self._dtype.itemsize)
        self._log = self._opened('files.jsonl', self._ends_size)

    def add(self, times: Sequence[tuple[float, float]], values: np.ndarray,
            ends: Sequence[FileEnd]) -> None:
        """Append a batch: its windows, and the files that ended before the next one."""
        rows = np.empty(len(times), self._dtype)
        if times:
            rows['start'], rows['end'] = np.transpose(times)
            rows['values'] = values
        self._rows.write(rows.tobytes())
        # Rows are on the disk before anything counts them.
        self._rows.flush()
        os.fsync(self._rows.fileno())
        self._log.write(''.join(json.dumps(end) + '\n' for end in ends).encode())
        self._log.flush()
        os.fsync(self._log.fileno())
        self.num_rows += len(rows)
        self.ends += ends
        self._ends_size = self._log.tell()
        with replacing(self.folder / 'progress.json') as temporary:
            temporary.write_text(json.dumps(
                dict(key=self._key, rows=self.num_rows, ends=self._ends_size)))

    def rows_of(self, number: int) -> np.ndarray:
        """The rows of a file that was gone through, as a table on the disk."""
        first = self.ends[number - 1].rows if number else 0
        count = self.ends[number].rows - first
        if not count:
            return np.empty(0, self._dtype)
        return np.memmap(self.folder / 'rows.bin', self._dtype, 'r',
                         first * self._dtype.itemsize, (count, ))

    def close(self) -> None:
        """Close the files."""
        self._rows.close()
        self._log.close()

    def discard(self) -> None:
        """Close and remove the folder."""
        self.close()
        shutil.rmtree(self.folder)

    def _resume(self) -> None:
        file = self.folder / 'progress.json'
        if not file.is_file():
            return
        progress = json.loads(file.read_text())
        if progress['key'] != self._key:
            raise ValueError(
                f'{self.folder}: must be of the same checkpoint, settings and inputs to go on '
                'from, but is of others; delete it, or choose another folder')
        self.num_rows, self._ends_size = progress['rows'], progress['ends']
        lines = (self.folder / 'files.jsonl').read_bytes()[:self._ends_size].splitlines()
        self.ends = [FileEnd(*json.loads(line)) for line in lines]

    def _opened(self, name: str, size: int) -> BinaryIO:
        path = self.folder / name
        path.touch()
        with path.open('r+b') as file:
            file.truncate(size)
        return path.open('ab')
