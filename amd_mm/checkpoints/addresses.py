"""Checkpoints that have an address instead of a path: one rule for whatever reads one."""
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.fileio import get_local_path

from amd_mm.checkpoints.archive import refuse
from amd_mm.compat.downloads import downloaded

# pathlib makes one slash of two.
_ADDRESS = re.compile(r'(\w{2,}):/{1,2}(?=[^/])')


def address_of(path: str | Path) -> str | None:
    """The address that a path is, written in full; None for a path of this machine."""
    found = _ADDRESS.match(str(path))
    return f'{found[1]}://{str(path)[found.end():]}' if found else None


@contextmanager
def local_file(path: str | Path) -> Iterator[Path]:
    """The file of an address or path, on this machine while the context lasts.

    What http and https serve is kept in the cache of torch.hub, for MMEngine's loader and ours
    alike; other addresses are read by MMEngine's file backends.

    Args:
        path: Where it is.

    Raises:
        ValueError: If nothing can be had there; an error about a file that was downloaded says so.
    """
    address = address_of(path)
    if address is None:
        yield Path(path)
    elif not address.startswith(('http://', 'https://')):
        try:
            with get_local_path(address) as local:
                yield Path(local)
        except (KeyError, ImportError) as error:
            refuse(address, 'must be a path, or an address of http, https or a file backend of '
                   'MMEngine', f'{error}', 'Download it, and name the file.', error)
    else:
        try:
            local = downloaded(address)
        except (OSError, ValueError) as error:
            refuse(address, 'must be an address that serves a file', f'got {error}',
                   'Check the address, or download it and name the file.', error)
        try:
            yield local
        except ValueError as error:
            raise ValueError(f'{error} (It was downloaded from {address}; delete it there to have '
                             'it downloaded again.)') from error
