"""Reads a sample's file, or its part of a shard, from any storage."""
from mmengine.fileio import get

from amd_mm.datasets.files import FileError, MissingFileError, in_words
from amd_mm.datasets.shards import member_of, read_member


def read_bytes(path: str, backend_args: dict | None = None) -> bytes:
    """The content of a file or of a member of a shard, from any storage of mmengine.

    Raises:
        FileError: If it cannot be read.
    """
    try:
        member = member_of(path)
        return read_member(member, backend_args) if member else get(path, backend_args=backend_args)
    except FileError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(path, in_words(error)) from error
    except OSError as error:
        raise FileError(path, in_words(error)) from error
