"""Files of features that grow input by input, survive an interruption and are the same twice."""
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from amd_mm.export.writing import check_destination, replacing

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
        self.path = Path(path)
        if self.path.suffix not in FORMATS:
            raise ValueError(f'{path}: a file of features must end in {" or ".join(FORMATS)}')
        check_destination(self.path, force)
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
        with replacing(self.path) as temporary:
            self._write(temporary, self._table[:len(paths)], paths)
        self.discard()

    def discard(self) -> None:
        """Remove ``FILE.partial``."""
        del self._table
        shutil.rmtree(self.folder)

    def _write(self, path: Path, features: np.ndarray, paths: list[str]) -> None:
        settings = json.dumps(self.settings, sort_keys=True)
        if self.path.suffix == '.npz':
            with path.open('wb') as file:
                np.savez(file, features=features, paths=np.array(paths, dtype=np.str_),
                         settings=np.array(settings))
            return
        from safetensors.numpy import save_file
        save_file(dict(features=np.ascontiguousarray(features)), path,
                  metadata={META: json.dumps(dict(paths=paths, settings=settings))})

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


def read_features(path: str | Path) -> tuple[np.ndarray, list[str], dict]:
    """Features (inputs, ...), paths and settings of a file of :class:`FeatureFile`."""
    if Path(path).suffix == '.npz':
        with np.load(path) as file:
            return file['features'], file['paths'].tolist(), json.loads(str(file['settings']))
    from safetensors import safe_open
    with safe_open(path, 'np') as file:
        meta = json.loads(file.metadata()[META])
        return file.get_tensor('features'), meta['paths'], json.loads(meta['settings'])
