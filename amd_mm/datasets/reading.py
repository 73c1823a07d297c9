"""Reads a sample's file, or its part of a shard, from any storage."""
import errno
import time
from collections.abc import Callable
from typing import TypeVar

from mmengine.fileio import get

from amd_mm.datasets.files import WORDS, FileError, MissingFileError, in_words
from amd_mm.datasets.shards import close_shards, member_of, read_member

# Seconds from one try to the next.
PAUSES = (.1, .5, 2.5)
# What a storage that is reached by a network says for a moment. Files that are not there, closed or
# damaged stay so.
_PASSING = frozenset((
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.ESTALE, errno.EREMOTEIO,
    errno.ETIMEDOUT,
    errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETDOWN,
    errno.ENETUNREACH, errno.EPIPE))
T = TypeVar('T')


def read_bytes(path: str, backend_args: dict | None = None) -> bytes:
    """The content of a file or of a member of a shard, from any storage of mmengine.

    What fails for a moment is tried again, three times, with growing pauses.

    Raises:
        FileError: If it cannot be read.
    """
    # A handle may be stale for ever.
    return patiently(path, lambda: _read(path, backend_args), close_shards)


def patiently(path: str, read: Callable[[], T], close: Callable[[], object]) -> T:
    """What ``read`` gives, which is tried again where it fails for a moment.

    Args:
        path: What is read, for messages.
        read: Reads it.
        close: What to do before another try: give up handles.

    Raises:
        FileError: If it cannot be read.
    """
    for pause in PAUSES:
        try:
            return read()
        except OSError as error:
            if not _passes(error):
                raise _error_of(path, error) from error
        time.sleep(pause)
        close()
    try:
        return read()
    except OSError as error:
        tries = f' (tried {len(PAUSES) + 1} times)' if _passes(error) else ''
        raise _error_of(path, error, tries) from error


def _read(path: str, backend_args: dict | None) -> bytes:
    member = member_of(path)
    return read_member(member, backend_args) if member else get(path, backend_args=backend_args)


def _passes(error: OSError) -> bool:
    # Of HTTP, the server's own errors and those of too many requests.
    status = getattr(error, 'code', None)
    return (error.errno in _PASSING or isinstance(error, (ConnectionError, TimeoutError))
            or status == 429 or (isinstance(status, int) and 500 <= status < 600))


def _error_of(path: str, error: OSError, tries: str = '') -> FileError:
    if isinstance(error, FileError):
        return error
    if isinstance(error, FileNotFoundError):
        return MissingFileError(path, WORDS[errno.ENOENT])
    return FileError(path, in_words(error) + tries)
