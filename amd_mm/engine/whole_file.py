"""Files that are on the disk whole, or not at all."""
import errno
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from amd_mm.export.writing import flush_folder

# What file systems over a network report while they are away for a moment.
_TRANSIENT = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR,
              errno.ENOTCONN, errno.EREMOTEIO}
# Seconds before writing is tried again.
PAUSES: tuple[float, ...] = (1., 5.)
_PART = '.{}.part'
# Shape and type of a tensor.
Kind = tuple[torch.Size, torch.dtype]


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under another name, to the disk, then give it its own.

    Whatever was at ``path`` stays as it is until then. What may pass is tried again, from the
    beginning: after a failed fsync nobody knows what of a file is on the disk.

    Args:
        path: Its folder must be there, and nobody else may write this file.
        write: Writes the content.

    Raises:
        OSError: If the disk refuses.
    """
    for pause in (*PAUSES, None):
        try:
            return _write_once(path, write)
        except OSError as error:
            if pause is None or error.errno not in _TRANSIENT:
                raise
            time.sleep(pause)


def save_whole(content: Any, path: Path) -> None:
    """As ``torch.save``, by :func:`write_whole`."""
    write_whole(path, lambda file: torch.save(content, file))


def remove_parts(folder: Path) -> None:
    """Remove what killed processes left half-written."""
    for path in folder.glob(_PART.format('*')):
        path.unlink(missing_ok=True)


def bytes_in(content: Any) -> int:
    """What the tensors of a nested content take on a disk, about."""
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(content)
               if isinstance(leaf, Tensor))


def kinds_of(content: Any) -> list[Kind]:
    """Shapes and types of the tensors of a nested content."""
    return [(leaf.shape, leaf.dtype) for leaf in tree_leaves(content) if isinstance(leaf, Tensor)]


class Copies:
    """Copies contents into memory that it keeps: it is five times as slow to get as to fill."""

    def __init__(self) -> None:
        self._free: dict[Kind, list[Tensor]] = {}
        self._used: list[Tensor] = []

    def prepare(self, kinds: Sequence[Kind]) -> None:
        """Get memory for the first copies of a content, see :func:`kinds_of`."""
        for shape, dtype in kinds:
            # Filled, as memory that nobody has touched is not there yet.
            memory = torch.empty(shape, dtype=dtype).zero_()
            self._free.setdefault((shape, dtype), []).append(memory)

    def of(self, content: Any) -> Any:
        """The content with tensors of its own, on the CPU; its dicts and lists are copies."""
        return tree_map(lambda leaf: self._copy(leaf) if isinstance(leaf, Tensor) else leaf,
                        content)

    def free(self) -> None:
        """Let the next copies be made where these are."""
        for tensor in self._used:
            self._free.setdefault((tensor.shape, tensor.dtype), []).append(tensor)
        self._used = []

    def _copy(self, tensor: Tensor) -> Tensor:
        free = self._free.get((tensor.shape, tensor.dtype))
        copy = free.pop() if free else torch.empty(tensor.shape, dtype=tensor.dtype)
        self._used.append(copy)
        return copy.copy_(tensor.detach())


def free_bytes(folder: Path) -> int | None:
    """What is free for this user; None where the folder cannot be asked."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


def shown_bytes(count: int | None) -> str:
    """A number of bytes, in MB; 'an unknown amount' for None."""
    return 'an unknown amount' if count is None else f'{count / 1e6:,.1f} MB'


def _write_once(path: Path, write: Callable[[BinaryIO], object]) -> None:
    part = path.with_name(_PART.format(path.name))
    try:
        with open(part, 'wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        flush_folder(path.parent)
    except RuntimeError as error:
        # torch's writer reports a failed write as a RuntimeError, which an OSError has caused.
        if not isinstance(error.__context__, OSError):
            raise
        raise error.__context__ from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
