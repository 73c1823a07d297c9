"""A file backend of MMEngine over fsspec: s3://, gs://, hf://, http:// and others."""
import errno
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec, TypeVar

from mmengine.fileio.backends.base import BaseStorageBackend

PREFIXES = ('s3', 'gs', 'gcs', 'hf', 'az', 'abfs', 'memory')
P = ParamSpec('P')
T = TypeVar('T')


def _in_errors_of_files(method: Callable[P, T]) -> Callable[P, T]:
    """Let a method raise what opening a file may raise, whatever the library's own errors are."""
    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except (OSError, ImportError, ValueError, MemoryError):
            raise
        except Exception as error:
            if getattr(error, 'status', None) in (401, 403):  # of HTTP
                raise PermissionError(errno.EACCES, str(error)) from error
            first_line = str(error).strip().partition('\n')[0]
            raise OSError(
                errno.EREMOTEIO, f'{type(error).__name__}: {first_line[:200]}') from error

    return call


def _system(path: str | Path) -> tuple[Any, str]:
    """The file system of an address, which fsspec keeps a process, and the path in it."""
    if re.match(r'\w+://[^/]*@', str(path)):
        raise ValueError('an address must hold no name or password, which logs and checkpoints '
                         'would show, got one with "@" before its first slash; keep them where '
                         'the storage\'s library looks, such as ~/.aws or the environment')
    try:
        import fsspec
        return fsspec.core.url_to_fs(str(path))
    except ImportError as error:
        raise ImportError(f'{path} needs fsspec and the library of its storage ({error}); '
                          'pip install "amd-mm[remote]"') from error


class FsspecBackend(BaseStorageBackend):
    """Files of any storage that fsspec reads.

    It takes no settings: credentials, endpoint and region come from the places where the
    storage's own library looks for them (environment, ~/.aws, ...), so that no config, checkpoint
    or log has any.
    """

    @_in_errors_of_files
    def get(self, filepath: str | Path) -> bytes:
        """The content of a file."""
        system, path = _system(filepath)
        return system.cat_file(path)

    @_in_errors_of_files
    def get_range(self, filepath: str | Path, start: int, size: int) -> bytes:
        """So many bytes of a file from a place on, by one request.

        Raises:
            OSError: If the server sends the whole file instead, as some web servers do.
        """
        system, path = _system(filepath)
        data = system.cat_file(path, start=start, end=start + size)
        if len(data) > size:
            raise OSError(errno.EOPNOTSUPP, 'its server sends whole files alone (it ignores Range)')
        return data

    def get_text(self, filepath: str | Path, encoding: str = 'utf-8') -> str:
        """The content of a text file."""
        return self.get(filepath).decode(encoding)

    @_in_errors_of_files
    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, whole or not at all."""
        system, path = _system(filepath)
        system.pipe_file(path, obj)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file."""
        self.put(obj.encode(encoding), filepath)

    @_in_errors_of_files
    def size(self, filepath: str | Path) -> int:
        """Bytes of a file."""
        system, path = _system(filepath)
        return system.size(path)

    @_in_errors_of_files
    def exists(self, filepath: str | Path) -> bool:
        """Whether there is such a file or folder."""
        system, path = _system(filepath)
        return system.exists(path)

    @_in_errors_of_files
    def isdir(self, filepath: str | Path) -> bool:
        """Whether it is a folder."""
        system, path = _system(filepath)
        return system.isdir(path)

    @_in_errors_of_files
    def isfile(self, filepath: str | Path) -> bool:
        """Whether it is a file."""
        system, path = _system(filepath)
        return system.isfile(path)

    def join_path(self, filepath: str | Path, *filepaths: str | Path) -> str:
        """An address with more parts; a part that is an address begins anew."""
        joined = str(filepath)
        for part in map(str, filepaths):
            joined = part if '://' in part else f'{joined.rstrip("/")}/{part.lstrip("/")}'
        return joined

    @contextmanager
    def get_local_path(self, filepath: str | Path) -> Iterator[str]:
        """A copy on this machine, for as long as the context lasts."""
        with TemporaryDirectory() as folder:
            copy = Path(folder, str(filepath).rstrip('/').rpartition('/')[2])
            self.copyfile_to_local(filepath, copy)
            yield str(copy)

    @_in_errors_of_files
    def copyfile_to_local(self, src: str | Path, dst: str | Path) -> str:
        """Download a file."""
        system, path = _system(src)
        system.get_file(path, str(dst))
        return str(dst)

    @_in_errors_of_files
    def copyfile_from_local(self, src: str | Path, dst: str | Path) -> str:
        """Upload a file."""
        system, path = _system(dst)
        system.put_file(str(src), path)
        return str(dst)

    @_in_errors_of_files
    def remove(self, filepath: str | Path) -> None:
        """Remove a file."""
        system, path = _system(filepath)
        system.rm_file(path)

    @_in_errors_of_files
    def rmtree(self, dir_path: str | Path) -> None:
        """Remove a folder and all in it."""
        system, path = _system(dir_path)
        system.rm(path, recursive=True)

    @_in_errors_of_files
    def _found(self, dir_path: str | Path, recursive: bool) -> dict[str, bool]:
        """Names in a folder, from there on, and whether each is a folder."""
        system, path = _system(dir_path)
        start = f'{path.rstrip("/")}/'
        found = system.find(path, maxdepth=None if recursive else 1, withdirs=True, detail=True)
        return {name.removeprefix(start): info['type'] == 'directory'
                for name, info in sorted(found.items()) if name.startswith(start) and name != start}

    def list_dir_or_file(self, dir_path: str | Path, list_dir: bool = True, list_file: bool = True,
                         suffix: str | tuple[str, ...] | None = None,
                         recursive: bool = False) -> Iterator[str]:
        """Names in a folder, from there on.

        Args:
            dir_path: The folder.
            list_dir: Whether folders are among them.
            list_file: Whether files are among them.
            suffix: How files must end.
            recursive: Whether what lies deeper is among them.

        Yields:
            The names, sorted.
        """
        for name, is_folder in self._found(dir_path, recursive).items():
            if (list_dir if is_folder else list_file and (not suffix or name.endswith(suffix))):
                yield name
