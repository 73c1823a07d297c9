"""What a user names on the command line, as files."""
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from amd_mm.checkpoints.addresses import local_file
from amd_mm.datasets.files import PICTURES, VIDEOS, printable, reason_of, walk
from amd_mm.datasets.keyed_dataset import NOT_BAD_DATA
from amd_mm.datasets.lists import ListForm, read_list


def find_files(names: Sequence[str | Path], is_video: bool,
               root: str | Path | None = None) -> list[Path]:
    """Files behind files, folders and lists, in the order in which they are named.

    Args:
        names: Files, which are taken as they are, there or not; folders, of which all
            pictures or videos below are taken, sorted by path, and one line on stderr says how
            many there are and what was left out; lists (``.txt``, ``.csv``) of
            ``path [label]`` lines.
        is_video: Whether videos are wanted, not pictures.
        root: Where the paths in lists start from; None is each list's own folder.

    Raises:
        ValueError: For a list without a line, or a folder without a file of that kind.
    """
    kind = VIDEOS if is_video else PICTURES
    files: list[Path] = []
    for name in map(Path, names):
        if name.is_dir():
            found = walk(name, kind)
            print(found, file=sys.stderr)
            if not found.files:
                raise ValueError(
                    f'{found}; a folder must hold at least one file ending in '
                    f'{", ".join(kind.suffixes)}, as the config reads {kind.name}')
            files += [name / file for file in found.files]
        elif name.suffix.lower() in ('.txt', '.csv') and name.is_file():
            start = name.parent if root is None else Path(root)
            files += [start / line.path for line in read_list(str(name), ListForm(kind))]
        else:
            files.append(name)
    return files


def digest(path: str | Path) -> str:
    """SHA-256 of a file's content, also of one at an address, or of all files' in a folder."""
    sha256 = hashlib.sha256()
    with local_file(path) as local:
        for file in sorted(local.iterdir()) if local.is_dir() else [local]:
            with file.open('rb') as content:
                while block := content.read(1 << 20):
                    sha256.update(block)
    return sha256.hexdigest()


@contextmanager
def reading(name: str | Path, rule: str) -> Iterator[None]:
    """Whatever a decoder raises in here, as one error that names the input.

    Args:
        name: Of the input.
        rule: What it must be, such as ``'a picture that OpenCV decodes'``.

    Raises:
        ValueError: In place of every other exception but those that no data causes.
    """
    try:
        yield
    except NOT_BAD_DATA:
        raise
    except Exception as error:  # what a decoder raises differs from one to the other
        raise ValueError(f'{printable(name)}: must be {rule}, but {reason_of(error)}') from error
