"""Files of features that grow input by input, survive an interruption and are the same twice."""
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from amd_mm.export.writing import check_destination, replacing
from amd_mm.inference.journal import Journal

FORMATS = ('.npz', '.safetensors')
# The name under which a safetensors file holds what is not an array. One only: their order
# would differ from one file to the next.
META = 'amd_mm'


class FeatureFile:
    """Features of many inputs in one file, written as they come.

    Until all are there they are in the folder ``FILE.partial``: a table on the disk, which
    memory need not hold, and which rows of it are done. The file holds

    - ``features``: float32 (inputs, ...), inputs that could not be read left out;
    - ``paths``: of these inputs, as strings (``.npz``); in a ``.safetensors`` file they are in
      the metadata, see :func:`read_features`;
    - ``settings``: JSON, what the features were made with.

    Equal settings and features make equal bytes.

    Args:
        path: The file, ``.npz`` or ``.safetensors``.
        paths: All inputs, as they are to stand in the file.
        shape: Of one input's features.
        settings: Everything else that the features depend on; JSON.
        force: Whether a file that is there may be replaced.

    Raises:
        ValueError: For another ending, a file that is there, a folder that is not, or
            ``FILE.partial`` of other settings or inputs.
    """

    def __init__(self, path: str | Path, paths: Sequence[str], shape: tuple[int, ...],
                 settings: dict, force: bool = False) -> None:
        self.path = check_features(path, force)
        self.paths = list(paths)
        self.settings = settings
        self.folder = self.path.with_name(self.path.name + '.partial')
        text = json.dumps([self.paths, shape, settings], sort_keys=True)
        self._key = hashlib.sha256(text.encode()).hexdigest()
        self.done, self.failed = self._progress()
        self.folder.mkdir(exist_ok=True)
        table = self.folder / 'features.npy'
        self._table = np.lib.format.open_memmap(
            table, 'r+' if self.done else 'w+', np.float32, (len(self.paths), *shape))

    def add(self, features: Sequence[np.ndarray | None]) -> None:
        """Append the next inputs' features; None: could not be read."""
        for number, value in enumerate(features, self.done):
            if value is None:
                self.failed.append(number)
            else:
                self._table[number - len(self.failed)] = value
        self._table.flush()
        self.done += len(features)
        progress = json.dumps(dict(key=self._key, done=self.done, failed=self.failed))
        with replacing(self.folder / 'progress.json') as temporary:
            temporary.write_text(progress)

    def close(self) -> None:
        """Write the file, once all inputs were added, and remove ``FILE.partial``."""
        assert self.done == len(self.paths)
        failed = set(self.failed)
        paths = [path for number, path in enumerate(self.paths) if number not in failed]
        write_features(self.path, dict(features=self._table[:len(paths)]), paths, self.settings)
        self.discard()

    def discard(self) -> None:
        """Remove ``FILE.partial``."""
        del self._table
        shutil.rmtree(self.folder)

    def _progress(self) -> tuple[int, list[int]]:
        file = self.folder / 'progress.json'
        if not file.is_file():
            return 0, []
        progress = json.loads(file.read_text())
        if progress['key'] != self._key:
            raise ValueError(
                f'{self.folder}: must be of the same checkpoint, settings and inputs to go on '
                'from, but is of others. Delete it, or choose another file.')
        return progress['done'], progress['failed']


def check_features(path: str | Path, force: bool = False) -> Path:
    """Look before the work starts whether a file of features can be written there.

    Raises:
        ValueError: For another ending, a file that is there, or a folder that is not.
    """
    if Path(path).suffix not in FORMATS:
        raise ValueError(f'{path}: a file of features must end in {" or ".join(FORMATS)}')
    return check_destination(path, force)


def write_features(path: Path, arrays: dict[str, np.ndarray], paths: Sequence[str],
                   settings: dict) -> None:
    """Write a file of features, whole or not at all.

    Args:
        path: The file, of one of :data:`FORMATS`.
        arrays: ``features``, and what belongs to them.
        paths: Of the inputs.
        settings: What they were made with; JSON.
    """
    text = json.dumps(settings, sort_keys=True)
    with replacing(path) as temporary:
        if path.suffix == '.npz':
            with temporary.open('wb') as file:
                np.savez(file, **arrays, paths=np.array(paths, dtype=np.str_),  # type: ignore[arg-type]
                         settings=np.array(text))
            return
        from safetensors.numpy import save_file
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary,
                  metadata={META: json.dumps(dict(paths=list(paths), settings=text))})


def read_features(path: str | Path) -> tuple[np.ndarray, list[str], dict]:
    """Features (inputs, ...), paths and settings of a file of :class:`FeatureFile`."""
    arrays, paths, settings = _read(path)
    return arrays['features'], paths, settings


class WindowTable(NamedTuple):
    """Features of windows of videos.

    Attributes:
        features: float32 (windows, ...).
        times: float64 (windows, 2), start and end in seconds.
        files: int64 (windows, ), places in ``paths``.
        paths: Of the videos that could be read.
        settings: What the features were made with.
    """
    features: np.ndarray
    times: np.ndarray
    files: np.ndarray
    paths: list[str]
    settings: dict


def write_windows(path: Path, journal: Journal, paths: Sequence[str], settings: dict) -> int:
    """Write what a run over windows gave, leaving out files that could not be read.

    Args:
        path: The file, of one of :data:`FORMATS`.
        journal: Of all files; its folder takes a table meanwhile, so that memory need not.
        paths: Of all files.
        settings: What the features were made with; JSON.

    Returns:
        How many windows there are; without one nothing is written.
    """
    good = [number for number, end in enumerate(journal.ends) if end.error is None]
    counts = [len(journal.rows_of(number)) for number in good]
    if not good:
        return 0
    shape = journal.rows_of(good[0])['values'].shape[1:]
    features = np.lib.format.open_memmap(
        journal.folder / 'features.npy', 'w+', np.float32, (sum(counts), *shape))
    times = np.empty((sum(counts), 2))
    start = 0
    for number, count in zip(good, counts, strict=True):
        rows, place = journal.rows_of(number), slice(start, start + count)
        features[place] = rows['values']
        times[place, 0], times[place, 1] = rows['start'], rows['end']
        start += count
    files = np.repeat(np.arange(len(good)), counts)
    write_features(path, dict(features=features, times=times, files=files),
                   [paths[number] for number in good], settings)
    return len(times)


def read_windows(path: str | Path) -> WindowTable:
    """Features, times, videos and settings of a file of :func:`write_windows`."""
    arrays, paths, settings = _read(path)
    return WindowTable(arrays['features'], arrays['times'], arrays['files'], paths, settings)


def _read(path: str | Path) -> tuple[dict[str, np.ndarray], list[str], dict]:
    if Path(path).suffix == '.npz':
        with np.load(path) as file:
            arrays = dict(file.items())
            return arrays, arrays.pop('paths').tolist(), json.loads(str(arrays.pop('settings')))
    from safetensors import safe_open
    with safe_open(path, 'np') as file:
        meta = json.loads(file.metadata()[META])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return arrays, meta['paths'], json.loads(meta['settings'])
