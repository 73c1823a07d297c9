"""Text files of any length, a piece at a time."""
import codecs
import io
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mmengine.fileio import LocalBackend, get_file_backend

from amd_mm.datasets.files import printable
from amd_mm.datasets.reading import patiently, read_bytes
from amd_mm.datasets.shards import OpenFile

# Bytes, about, of a piece: as much as is read for a single line of it.
_PIECE = 4096
# Bytes: what is longer stays on its disk, where the whole machine has it in memory once.
_LONG = 1 << 26
_BUFFER = 1 << 20
_SHOWN = 200


class Piece(NamedTuple):
    """Whole lines of a file.

    Attributes:
        place: Of the first byte in the file.
        number: Of the first line, from 1.
        content: The lines, as bytes.
    """
    place: int
    number: int
    content: bytes


class TextFile:
    """A file of lines, on any storage.

    A long one of this machine is read when it is asked for, and has to stay as it is; others are
    kept in memory.

    Args:
        path: Of the file.

    Raises:
        FileError: If it cannot be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        is_local = isinstance(get_file_backend(path, enable_singleton=True), LocalBackend)
        # What is no plain file, such as a pipe, is read once.
        is_long = is_local and os.path.isfile(path) and os.path.getsize(path) > _LONG
        self._content = None if is_long else read_bytes(path)
        self._file: OpenFile | None = None
        self._absolute = os.path.abspath(path)

    def __getstate__(self) -> dict[str, Any]:
        """A copy in another process opens the file itself."""
        return dict(self.__dict__, _file=None)

    def read(self, place: int, size: int) -> bytes:
        """So many bytes from a place on, fewer at the end.

        Raises:
            FileError: If it cannot be read.
        """
        if self._content is not None:
            return self._content[place:place + size]
        return patiently(self.path, lambda: self._open().read(place, size), self._close)

    def pieces(self) -> Iterator[Piece]:
        """The file from its beginning to its end, at most a megabyte in memory at a time.

        Raises:
            FileError: If it cannot be read.
        """
        stream = io.BufferedReader(_Bytes(self), _BUFFER)
        place, number = 0, 1
        while lines := stream.readlines(_PIECE):
            content = b''.join(lines)
            yield Piece(place, number, content)
            place, number = place + len(content), number + len(lines)

    def _open(self) -> OpenFile:
        if self._file is None:
            self._file = OpenFile(self._absolute)
        return self._file

    def _close(self) -> None:
        self._file = None


class _Bytes(io.RawIOBase):
    """What a buffer of Python reads from."""

    def __init__(self, file: TextFile) -> None:
        self._file, self._place = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(self._place, len(buffer))
        buffer[:len(data)] = data
        self._place += len(data)
        return len(data)


def read_text(path: str) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        ValueError: If it cannot be read, or is no UTF-8; names the first line that is none.
    """
    return decoded(path, 0, 1, read_bytes(path))


def decoded(path: str, place: int, number: int, content: bytes) -> str:
    """The text of a piece of a file, without a byte order mark.

    Args:
        path: Of the file, for messages.
        place: Of the piece.
        number: Of its first line.
        content: Whole lines.

    Raises:
        ValueError: If it is no UTF-8; names the first line that is none.
    """
    if place == 0:
        content = content.removeprefix(codecs.BOM_UTF8)
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ValueError(
                f'{printable(path)}:1: must be UTF-8, but is UTF-16; save it as UTF-8')
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[:error.start].split(b'\n')
        line = before[-1] + content[error.start:].partition(b'\n')[0].rstrip()
        raise ValueError(
            f'{printable(path)}:{number + len(before) - 1}: must be UTF-8, got '
            f'"{shown(os.fsdecode(line))}"; '
            'save the file as UTF-8. A name that is none stands in quotes, its bytes as \\xFF'
        ) from error
    # A carriage return alone ends a line for old programs only.
    odd = re.search('\0|\r(?!\n|$)', text) if '\0' in text or '\r' in text else None
    if odd:
        number += text[:odd.start()].count('\n')
        found = 'a zero byte' if odd[0] == '\0' else 'a carriage return inside a line'
        raise ValueError(f'{printable(path)}:{number}: must be UTF-8 with line ends of Unix or '
                         f'Windows, but has {found}; save it so')
    return text


def shown(text: str) -> str:
    """A line for a message: printable, and not endless."""
    return printable(text if len(text) <= _SHOWN else f'{text[:_SHOWN]} ...')
