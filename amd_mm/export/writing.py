"""Writing that cannot harm: to a temporary name, to the disk, then in place by renaming."""
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from amd_mm.checkpoints.reading import FACTS_KEY

# What an exported folder holds, of Transformers or for a runtime; a folder with anything else is
# never replaced.
OWN_FILES = {'config.json', 'preprocessor_config.json', 'model.safetensors', 'README.md',
             'model.json', 'model.onnx', 'model.xml', 'model.bin', 'model.pt2'}


def check_destination(path: str | Path, force: bool = False) -> Path:
    """Look before the work starts whether ``path`` can be written.

    Raises:
        ValueError: If it exists and ``force`` is off or it is a folder with files that we
            do not write, or if its own folder is missing or cannot be written.
    """
    path = Path(path)
    if path.exists() and not force:
        raise ValueError(f'Destination {path}: must not exist, but it does. Add --force to '
                         'replace it, or choose another name.')
    others = {entry.name for entry in path.iterdir()} - OWN_FILES if path.is_dir() else set()
    if others:
        raise ValueError(f'Destination {path}: only a folder of exported files may be replaced, '
                         f'but it holds {", ".join(sorted(others)[:8])}. Choose another name.')
    if not path.parent.is_dir():
        raise ValueError(f'Destination {path}: its folder must exist, but {path.parent} does not. '
                         'Create it first.')
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f'Destination {path}: its folder must be writable, but {path.parent} is '
                         'not. Change its permissions or choose another folder.')
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path (file or folder) that takes the place of ``path`` on success.

    Whatever was at ``path`` stays until everything new is on the disk; on failure the
    temporary path is deleted.

    Raises:
        ValueError: If the disk is full or refuses.
    """
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.tmp')
    try:
        yield temporary
        _flush(temporary)
        _swap(temporary, path)
    except OSError as error:
        raise _refused(path, error) from error
    except RuntimeError as error:
        # torch's writer reports a failed write as a RuntimeError, caused by the OSError.
        if not isinstance(error.__context__, OSError):
            raise
        raise _refused(path, error.__context__) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def save_torch(content: Any, path: Path) -> None:
    """``torch.save`` through a file of ours, so that a failed write is an OSError."""
    with path.open('wb') as file:
        torch.save(content, file)


def save_safetensors(weights: dict[str, Tensor], path: Path,
                     facts: Mapping[str, Any] | None = None) -> None:
    """Write a safetensors file as Transformers and timm read it.

    Args:
        weights: Names to tensors.
        path: File to write.
        facts: What no tensor holds, put into the file's metadata.

    Raises:
        ValueError: If safetensors is not installed.
    """
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise ValueError(
            f'Destination {path}: needs the package safetensors, which is not installed. Install '
            'it with `pip install amd-mm[interop]`.') from error
    said = {FACTS_KEY: json.dumps(facts)} if facts else {}
    save_file(weights, path, metadata={'format': 'pt', **said})


def own_storage(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of which none is a view of a larger or shared storage."""
    seen: set[int] = set()
    result = {}
    for name, value in weights.items():
        address = value.untyped_storage().data_ptr()
        whole = value.untyped_storage().nbytes() == value.nbytes and value.is_contiguous()
        result[name] = value if whole and address not in seen else value.clone(
            memory_format=torch.contiguous_format)
        seen.add(address)
    return result


def _flush(path: Path) -> None:
    for entry in [*path.rglob('*'), path] if path.is_dir() else [path]:
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _swap(temporary: Path, path: Path) -> None:
    """Rename over ``path``; a folder cannot be renamed over another, so that one steps aside."""
    if not (temporary.is_dir() and path.exists()) and not path.is_dir():
        os.replace(temporary, path)
    else:
        aside = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}.old')
        os.rename(path, aside)
        try:
            os.rename(temporary, path)
        except OSError:
            os.rename(aside, path)
            raise
        _delete(aside)
    flush_folder(path.parent)


def _delete(path: Path) -> None:
    remove: Callable[[Path], None] = shutil.rmtree if path.is_dir() else os.unlink
    remove(path)


def flush_folder(path: Path) -> None:
    """Put a folder's names on the disk, after one was made or changed."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f'Destination {path}: writing must succeed, but the system says: '
        f'{error.strerror or error}. Nothing was changed there. Free space, or choose another '
        'place.')
