"""What a folder or a list holds: pictures or videos."""
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from amd_mm.datasets.files import OTHER_KINDS, PICTURES, VIDEOS, Kind, few, printable, walk
from amd_mm.datasets.lists import ListForm, read_list

KINDS = dict(image=PICTURES, video=VIDEOS)
_EITHER = Kind('pictures or videos', PICTURES.suffixes + VIDEOS.suffixes)


class Data(NamedTuple):
    """Samples on disk.

    Attributes:
        modality: ``'image'`` or ``'video'``.
        folder: Where paths start from, absolute.
        list: The list that names them, absolute; None: all below the folder.
        samples: How many there are.
        has_labels: Whether the list has labels.
        said: One line about them.
    """
    modality: str
    folder: Path
    list: Path | None
    samples: int
    has_labels: bool
    said: str


def find_data(path: str | Path, modality: str | None = None) -> Data:
    """Look at a folder with all below it, or at a list of paths, which start from its folder.

    Args:
        path: The folder or list.
        modality: Which samples count where there are both kinds; None: there must be one.

    Raises:
        ValueError: If there is nothing, neither kind, or both and none was asked for.
    """
    path = Path(path).absolute()
    if path.is_dir():
        found = walk(path, _EITHER)
        kind = _modality(found.files, path, modality)
        # Of the other kind: it is left out as what is of no kind is.
        mine = [name for name in found.files if KINDS[kind].has(name)]
        others = [name for name in found.files if not KINDS[kind].has(name)]
        if others:
            found.left_out.setdefault(OTHER_KINDS, []).extend(others)
        said = str(found._replace(kind=KINDS[kind], files=mine))
        return Data(kind, path, None, len(mine), False, said)
    if not path.is_file():
        raise ValueError(f'{printable(path)}: --data must be a folder or a list, but there is '
                         'none; check the path')
    if _EITHER.has(path.name):
        raise ValueError(f'{printable(path)}: --data must be a folder or a list, got one sample; '
                         'give its folder')
    lines = list(read_list(str(path), ListForm(_EITHER)))
    kind = _modality([line.path for line in lines], path, modality)
    if wrong := [line.path for line in lines if not KINDS[kind].has(line.path)]:
        raise ValueError(f'{printable(path)}: a list must name {KINDS[kind].name} alone, but names '
                         f'{few(wrong)}; take them out')
    return Data(kind, path.parent, path, len(lines), bool(lines[0].labels),
                f'{printable(path)}: {len(lines)} {KINDS[kind].name}')


def _modality(names: list[str], path: Path, asked: str | None) -> str:
    counts = Counter(kind for name in names for kind in KINDS if KINDS[kind].has(name))
    shown = printable(path)
    if asked is not None:
        if not counts[asked]:
            raise ValueError(f'{shown}: must hold {KINDS[asked].name}, as --modality {asked} says, '
                             'but holds none; check the path')
        return asked
    if not counts:
        raise ValueError(f'{shown}: must hold {_EITHER.name}, found none; files count that end in '
                         f'{", ".join(_EITHER.suffixes)}')
    if len(counts) > 1:
        raise ValueError(
            f'{shown}: must hold pictures or videos, but holds {counts["image"]} pictures and '
            f'{counts["video"]} videos; say which count by --modality image or --modality video')
    kind, = counts
    return kind
