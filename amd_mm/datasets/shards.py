"""Members of tar shards, WebDataset's form, read by offset: ``shard-000017.tar#offset+size``."""
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.fileio import LocalBackend, get_file_backend

from amd_mm.datasets.files import FileError, Kind, in_words, printable

_MEMBER = re.compile(r'(.+\.(?:tar|tar\.\w+|tgz|tbz2?|txz|tzst))#(\d+)\+(\d+)')
# How compressed files begin.
_COMPRESSED = {b'\x1f\x8b': 'gzip', b'BZh': 'bzip2', b'\xfd7zXZ': 'xz', b'\x28\xb5\x2f\xfd': 'zstd'}
_UNPACK = 'unpack it to a plain tar, which can be read by offset, and index that'
_INDEX = 'run tools/data/index_shards.py again'
_OPEN_SHARDS = 256
# Of a shard's fingerprint: so many places, evenly spread, and bytes at each.
_PLACES, _PLACE = 16, 4096


class Member(NamedTuple):
    """Where a member of a shard lies.

    Attributes:
        shard: Path or address of the tar.
        offset: Of the content's first byte.
        size: Of the content, in bytes.
    """
    shard: str
    offset: int
    size: int


def member_of(path: str) -> Member | None:
    """The member that a path names; None for any other path."""
    found = _MEMBER.fullmatch(path) if '#' in path else None
    return Member(found[1], int(found[2]), int(found[3])) if found else None


def file_of(path: str) -> str:
    """The file that has to be there for a path to be read: the shard of a member."""
    member = member_of(path)
    return member.shard if member else path


def read_member(member: Member, backend_args: dict | None = None) -> bytes:
    """The content of a member, with its header read along to see that the shard is as it was.

    Args:
        member: Where it lies.
        backend_args: Storage backend of mmengine; None infers it from the path.

    Raises:
        FileError: For a compressed shard, or one whose member is not there.
        OSError: If the shard cannot be read.
    """
    shard, offset, size = member
    if not shard.endswith('.tar'):
        raise FileError(shard, f'is compressed; {_UNPACK}')
    read = reader_of(shard, backend_args)
    data = read(offset - tarfile.BLOCKSIZE, tarfile.BLOCKSIZE + size) if (
        offset >= tarfile.BLOCKSIZE) else b''
    try:
        header = tarfile.TarInfo.frombuf(data[:tarfile.BLOCKSIZE], 'utf-8', 'surrogateescape')
        same = header.isreg() and header.size == size == len(data) - tarfile.BLOCKSIZE
    except tarfile.HeaderError:
        same = False
    if not same:
        if kind := _compression(read(0, 6)):
            raise FileError(shard, f'is compressed ({kind}); {_UNPACK}')
        raise FileError(shard, f'has no file of {size} bytes at {offset}: it changed since it was '
                        f'indexed; {_INDEX}')
    return data[tarfile.BLOCKSIZE:]


class OpenFile:
    """A file of this machine, read by offset, open for as long as it is remembered."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, '_descriptor'):
            os.close(self._descriptor)

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from there on, fewer at the end; has no place that a fork would share."""
        parts = []
        while size > 0 and (part := os.pread(self._descriptor, size, start)):
            parts.append(part)
            start, size = start + len(part), size - len(part)
        return b''.join(parts)


# One open file a shard and process; the least used ones are closed before a process has too many.
_open_shard = lru_cache(maxsize=_OPEN_SHARDS)(OpenFile)


def close_shards() -> None:
    """Close the shards that this process has open; what reads them next opens them anew."""
    _open_shard.cache_clear()


def reader_of(shard: str, backend_args: dict | None = None) -> Callable[[int, int], bytes]:
    """What reads so many bytes (second argument) of a shard from a place (first) on.

    Raises:
        FileError: If its storage cannot be read by offset.
    """
    backend: Any = get_file_backend(shard, backend_args=backend_args, enable_singleton=True)
    if isinstance(backend, LocalBackend):
        return _open_shard(shard).read
    if not hasattr(backend, 'get_range'):
        raise FileError(shard, 'is on a storage that MMEngine does not read by offset; '
                        'pip install "amd-mm[remote]", for s3://, http:// and others')
    return partial(backend.get_range, shard)


class Entry(NamedTuple):
    """A sample of a shard.

    Attributes:
        name: Of the member.
        offset: Of its content.
        size: Of its content.
        label: From the member ``key.cls`` beside it; None without.
    """
    name: str
    offset: int
    size: int
    label: int | None


class Shard(NamedTuple):
    """What an index holds of a shard.

    Attributes:
        fingerprint: Shows that it changed, see :func:`fingerprint`.
        entries: Its samples, in the shard's order.
        left_out: How many members are something else.
    """
    fingerprint: str
    entries: list[Entry]
    left_out: int


def index_shard(path: str, kind: Kind, suffix: str = '') -> Shard:
    """Read the headers of a shard, and no content but that of labels.

    Args:
        path: Of the shard, on any storage that is read by offset.
        kind: Of the samples.
        suffix: Take only members with this WebDataset extension (all that follows the first dot
            of a name: ``seg.png``); '' for any of the kind.

    Raises:
        ValueError: For a shard that is compressed, cut off or no tar, a member that leaves the
            folder, two samples of one key, or a label for some samples only.
        OSError: If it cannot be read.
    """
    read = reader_of(path)
    if compression := _compression(read(0, 6)):
        raise FileError(path, f'is compressed ({compression}); {_UNPACK}')
    found: dict[str, tarfile.TarInfo] = {}
    labels: dict[str, int] = {}
    left_out = 0
    size = size_of(path)
    stream: Any = _Ranges(read, size)
    try:
        with tarfile.open(fileobj=stream, mode='r:') as tar:
            for member in tar:
                _refuse_to_leave(path, member.name)
                folder, _, name = member.name.rpartition('/')
                stem, _, extension = name.partition('.')
                key = f'{folder}/{stem}'
                if member.offset_data + member.size > size:
                    raise FileError(path, f'is cut off within {printable(member.name)}; copy it '
                                    'again')
                if member.isreg() and extension == 'cls':
                    labels[key] = _label(path, member.name, read(member.offset_data, member.size))
                elif not member.isreg() or member.issparse() or not kind.has(name) or (
                        suffix and extension != suffix):
                    left_out += not member.isdir()
                elif key in found:
                    raise FileError(
                        path, f'has two {kind.name} of one key, {printable(found[key].name)} and '
                        f'{printable(member.name)}; say which by --suffix')
                else:
                    found[key] = member
                tar.members = []  # type: ignore[attr-defined]  # or they fill memory
    except tarfile.TarError as error:
        raise FileError(path, f'is no whole tar: {error}; make or copy it again') from error
    without = [member.name for key, member in found.items() if key not in labels]
    if labels and without:
        raise FileError(path, f'has a label (.cls) for some samples, and none for {len(without)}, '
                        f'such as {printable(without[0])}; add or remove them')
    return Shard(fingerprint(path), [
        Entry(member.name, member.offset_data, member.size, labels.get(key))
        for key, member in found.items()], left_out)


class _Ranges:
    """Ranges as the file that tarfile reads."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self._size, self._at = read, size, 0

    def tell(self) -> int:
        return self._at

    def seek(self, place: int) -> int:
        self._at = place
        return place

    def read(self, size: int) -> bytes:
        data = self._read(self._at, min(size, max(0, self._size - self._at)))
        self._at += len(data)
        return data


def size_of(path: str) -> int:
    """Bytes of a shard."""
    backend: Any = get_file_backend(path, enable_singleton=True)
    return os.stat(path).st_size if isinstance(backend, LocalBackend) else backend.size(path)


def _compression(head: bytes) -> str:
    return next((name for start, name in _COMPRESSED.items() if head.startswith(start)), '')


def _refuse_to_leave(path: str, name: str) -> None:
    if name.startswith('/') or '..' in name.split('/'):
        raise FileError(path, f'has a member that leaves the folder, {printable(name)}; such a tar '
                        'was made to overwrite files, or by mistake: make it again')


def _label(path: str, name: str, content: bytes) -> int:
    text = content.decode('utf-8', 'replace').strip()
    if not text.isdecimal():
        raise FileError(path, f'has a label that is no whole number, {printable(name)}: '
                        f'"{printable(text[:40])}"; write class numbers from 0')
    return int(text)


def fingerprint(path: str) -> str:
    """Size of a shard and a checksum of 64 KiB in 16 places of it.

    It is the same for a copy, whatever its time, and costs as little for 100 GB as for 1 MB.
    """
    size, read = size_of(path), reader_of(path)
    checksum = 0
    for place in range(_PLACES):
        start = max(0, size - _PLACE) * place // (_PLACES - 1)
        checksum = zlib.crc32(read(start, min(_PLACE, size - start)), checksum)
    return f'{size}-{checksum:08x}'


def _beside(ann_file: str | Path) -> str:
    return f'{ann_file}.shards'


def write_fingerprints(ann_file: str | Path, fingerprints: Iterable[tuple[str, str]]) -> None:
    """Keep what shards are like beside the list that was made of them."""
    text = ''.join(f'{value} {name}\n' for name, value in fingerprints)
    Path(_beside(ann_file)).write_text(text, encoding='utf-8')


def check_shards(ann_file: str, path_of: Callable[[str], str]) -> None:
    """Raise a ValueError unless the shards of a list are as they were when it was made.

    A list without fingerprints beside it is not checked.

    Args:
        ann_file: The list.
        path_of: Puts the folder before a name.
    """
    beside = _beside(ann_file)
    backend = get_file_backend(beside, enable_singleton=True)
    if not backend.exists(beside):
        return
    lines = [line.partition(' ')[::2] for line in backend.get_text(beside).splitlines()]
    paths = [path_of(name) for _, name in lines]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(_fingerprint_or_reason, paths))
    changed = [(path, now) for path, now, (then, _) in zip(paths, found, lines, strict=True)
               if now != then]
    if changed:
        path, now = changed[0]
        reason = now if ' ' in now else 'changed since it was indexed'
        raise ValueError(
            f'{printable(ann_file)}: every shard must be as it was when the list was made, but '
            f'{len(changed)} of {len(lines)} are not: {printable(path)} {reason}; restore it, or '
            f'{_INDEX}')


def _fingerprint_or_reason(path: str) -> str:
    try:
        return fingerprint(path)
    except OSError as error:
        return in_words(error)
