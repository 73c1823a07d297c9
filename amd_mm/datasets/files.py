"""Files of samples: which they are, how folders are searched, how names are shown."""
import errno
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.fileio import LocalBackend, get_file_backend

_SHOWN = 5
# What follows the last dot of a member of a shard, see amd_mm/datasets/shards.py.
_MEMBER = '.tar#'


class Kind(NamedTuple):
    """What samples are, and how names of such files end.

    Attributes:
        name: For messages, plural.
        suffixes: In lower case, with their dots.
    """
    name: str
    suffixes: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether a file of that name is of this kind, as far as the name tells.

        A member of a shard, which has no name, is of any kind.
        """
        # As fast as lists are long; every suffix has one dot.
        suffix = name[name.rfind('.'):].lower()
        return suffix in self.suffixes or suffix.startswith(_MEMBER)


VIDEOS = Kind('videos', (
    '.3g2', '.3gp', '.asf', '.avi', '.f4v', '.flv', '.m2ts', '.m2v', '.m4v', '.mkv', '.mov', '.mp4',
    '.mpe', '.mpeg', '.mpg', '.mts', '.mxf', '.ogv', '.qt', '.ts', '.vob', '.webm', '.wmv'))
PICTURES = Kind('pictures', (
    '.avif', '.bmp', '.dib', '.gif', '.jfif', '.jp2', '.jpe', '.jpeg', '.jpg', '.pgm', '.png',
    '.pnm', '.ppm', '.tif', '.tiff', '.webp'))


class FileError(ValueError, OSError):
    """A file that cannot be used: what a user can mend, and what opening a file may raise.

    Args:
        path: Of the file.
        reason: What is the matter, in words that go on after the name: 'is empty'.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        # All arguments go to the base class, or the error could not travel between processes;
        # it takes the first of two for the number of an error of the system.
        super().__init__(path, reason)
        self.errno = None
        self.path, self.reason = str(path), reason

    def __str__(self) -> str:
        return f'{printable(self.path)} {self.reason}'


class MissingFileError(FileError, FileNotFoundError):
    """A file that does not exist."""


# What the system's error numbers say of a file.
WORDS = {
    errno.ENOENT: 'does not exist', errno.ENOTDIR: 'does not exist',
    errno.EISDIR: 'is a folder, not a file', errno.EACCES: 'may not be read by this user',
    errno.EPERM: 'may not be read by this user', errno.EIO: 'cannot be read from its disk',
    errno.ELOOP: 'is a link that leads back to itself', errno.ENAMETOOLONG: 'has too long a name',
    errno.ESTALE: 'is gone from its server'}


def in_words(error: OSError) -> str:
    """What is the matter with a file that could not be opened or read."""
    return WORDS.get(error.errno or 0, f'cannot be read: {error.strerror or error}')


def reason_of(error: Exception) -> str:
    """What is the matter with a file that could not be decoded; goes on after its name."""
    if isinstance(error, FileError):
        return error.reason
    if isinstance(error, OSError) and error.errno in WORDS:
        return in_words(error)
    first_line = printable(str(error).strip().partition('\n')[0])
    return f'cannot be read: {first_line[:200] or type(error).__name__}'


def printable(name: object) -> str:
    """A name on one line that every terminal and every UTF-8 file takes.

    What is no character of UTF-8, does not print or steers a terminal is escaped as Python does
    it, and a backslash then too; other names stay what they are.

    Args:
        name: A path, or anything whose text holds one.
    """
    text = str(name)
    return text if all(map(_prints, text)) else escaped(text)


def escaped(name: str) -> str:
    """A name with every backslash, and all that does not print, escaped."""
    return ''.join(sign if _prints(sign) and sign != '\\' else _code(sign) for sign in name)


def unescaped(text: str) -> str:
    """The name of which :func:`escaped` made this.

    Raises:
        ValueError: For an escape code that is none.
    """
    return re.sub(r'\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.|$)', _sign, text)


_NAMED = {'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"'}
_NAMES = {sign: name for name, sign in _NAMED.items()}


def _prints(sign: str) -> bool:
    # Blanks of other scripts do not, says Python.
    return sign.isprintable() or unicodedata.category(sign) == 'Zs'


def _code(sign: str) -> str:
    code = ord(sign)
    if sign in _NAMES:
        return f'\\{_NAMES[sign]}'
    if 0xdc80 <= code <= 0xdcff:  # a byte that is no UTF-8, as Python holds it
        return f'\\x{code - 0xdc00:02x}'
    if code < 0x80:
        return f'\\x{code:02x}'
    return f'\\u{code:04x}' if code < 1 << 16 else f'\\U{code:08x}'


def _sign(match: re.Match[str]) -> str:
    code = match[1]
    if code in _NAMED:
        return _NAMED[code]
    if len(code) < 2:
        raise ValueError(f'"{match[0]}" is no escape code; write a backslash as "\\\\"')
    number = int(code[1:], 16)
    return chr(number + 0xdc00 if code[0] == 'x' and number >= 0x80 else number)


class Walk(NamedTuple):
    """What a folder holds.

    Attributes:
        folder: That was searched.
        kind: That was looked for.
        files: Paths from the folder on, with slashes, sorted.
        left_out: What is not among the files: names by reason.
    """
    folder: str
    kind: Kind
    files: list[str]
    left_out: dict[str, list[str]]

    def __str__(self) -> str:
        """One line: how many there are, and what was left out and why."""
        reasons = [f'{len(names)} {reason} ({few(self._shown(reason))})'
                   for reason, names in self.left_out.items()]
        return (f'{printable(self.folder)}: {len(self.files)} {self.kind.name}'
                + (f'; left out: {", ".join(reasons)}' if reasons else ''))

    def _shown(self, reason: str) -> list[str]:
        names = self.left_out[reason]
        if reason != OTHER_KINDS:
            return sorted(names)
        # Which kinds there are says more than names do.
        suffixes = Counter(Path(name).suffix.lower() or 'no suffix' for name in names)
        return [f'{count} {suffix}' for suffix, count in
                sorted(suffixes.items(), key=lambda one: (-one[1], one[0]))]


_HIDDEN, OTHER_KINDS, BROKEN_LINKS = 'hidden', 'of other kinds', 'broken links'
LINK_LOOPS, _CLOSED, _SPECIAL = 'link loops', 'folders that may not be read', 'no plain files'
_OUTSIDE = 'outside a class folder'


def walk(folder: str | Path, kind: Kind) -> Walk:
    """Search a folder and all below it for files of one kind.

    Hidden files and folders, whose names begin with a dot, are left out; links are followed.
    A folder is searched whatever its name is, and so is the one that is given.

    Args:
        folder: Where to begin; on any storage of mmengine that lists files.
        kind: Of the files.

    Raises:
        FileError: If the folder does not exist or may not be read.
    """
    found = Walk(str(folder), kind, [], {})
    backend = get_file_backend(found.folder)
    if isinstance(backend, LocalBackend):
        _search_disk(found)
    else:
        for name in backend.list_dir_or_file(found.folder, list_dir=False, recursive=True):
            hidden = any(part.startswith('.') for part in name.split('/'))
            _take(found, name, _HIDDEN if hidden else '')
    found.files.sort()
    return found


def _search_disk(found: Walk) -> None:
    if os.path.exists(found.folder) and not os.path.isdir(found.folder):
        raise FileError(found.folder, 'is a file, not a folder')
    try:
        _search(found, '', frozenset([_identity(os.stat(found.folder))]))
    except OSError as error:
        raise FileError(error.filename or found.folder, in_words(error)) from error


def _search(found: Walk, start: str, above: frozenset[tuple[int, int]]) -> None:
    """Take a folder's entries; ``above`` holds the folders that they are in, links followed."""
    with os.scandir(os.path.join(found.folder, start) if start else found.folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        name = f'{start}{entry.name}'
        reason = _why_not(entry, above)
        if reason or not entry.is_dir():
            _take(found, name, reason)
            continue
        try:
            _search(found, f'{name}/', above | {_identity(entry.stat())})
        except PermissionError:
            _take(found, name, _CLOSED)


def _why_not(entry: os.DirEntry, above: frozenset[tuple[int, int]]) -> str:
    """Why an entry of a folder is left out, whatever its name ends in; '' if it is not."""
    if entry.name.startswith('.'):
        return _HIDDEN
    try:
        if entry.is_dir():
            return LINK_LOOPS if _identity(entry.stat()) in above else ''
        if entry.is_file():
            return ''
    except OSError as error:
        # Of a link: what it names is stated here for the first time.
        return LINK_LOOPS if error.errno == errno.ELOOP else _CLOSED
    return BROKEN_LINKS if entry.is_symlink() else _SPECIAL


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _take(found: Walk, name: str, reason: str) -> None:
    """Put a file where it belongs; without a reason to leave it out, its name decides."""
    if not reason and found.kind.has(name):
        found.files.append(name)
    else:
        found.left_out.setdefault(reason or OTHER_KINDS, []).append(name)


class ClassFolders(NamedTuple):
    """A folder with one folder a class.

    Attributes:
        classes: Names of the classes, sorted; a class's place is its label.
        files: All files, sorted.
        found: What the search found, and left out.
    """
    classes: tuple[str, ...]
    files: list[tuple[str, int]]
    found: Walk


def class_folders(folder: str | Path, kind: Kind) -> ClassFolders:
    """Search a folder that holds one folder a class.

    Args:
        folder: The folder. What lies in it beside the class folders is left out.
        kind: Of the files.

    Raises:
        ValueError: If it does not exist, there is no class folder, or one holds no such file.
    """
    shown = printable(folder)
    try:
        found = walk(folder, kind)
    except FileError as error:
        raise ValueError(f'{shown}: must be a folder with one folder a class, but {error}; check '
                         'data_root and data_prefix') from error
    backend = get_file_backend(found.folder)
    classes = sorted(name for name in backend.list_dir_or_file(found.folder, list_file=False)
                     if not name.startswith('.') and name not in found.left_out.get(LINK_LOOPS, ()))
    if not classes:
        raise ValueError(f'{shown}: must hold one folder a class, found none')
    outside = [name for name in found.files if '/' not in name]
    if outside:
        found.left_out[_OUTSIDE] = outside
        found.files[:] = [name for name in found.files if '/' in name]
    labels = {name: label for label, name in enumerate(classes)}
    files = [(name, labels[name.partition('/')[0]]) for name in found.files]
    filled = {label for _, label in files}
    empty = [name for label, name in enumerate(classes) if label not in filled]
    if empty:
        raise ValueError(
            f'{shown}: every class folder must hold at least one file ending in '
            f'{", ".join(kind.suffixes)}, but {len(empty)} hold none: {few(empty)}; fill or '
            'remove them')
    return ClassFolders(tuple(classes), files, found)


def few(names: Sequence[object]) -> str:
    """The first of some names, and how many more there are."""
    rest = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return ', '.join(map(printable, names[:_SHOWN])) + rest
