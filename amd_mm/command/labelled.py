"""Labelled samples: from class folders or a list to lists for training and validation."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from amd_mm.command.data import KINDS, Data, find_data
from amd_mm.datasets.files import class_folders, printable
from amd_mm.datasets.labels import read_classes
from amd_mm.datasets.lists import ListForm, list_field, read_list
from amd_mm.datasets.split import split_classes

# Folders of data that its owner has split.
_TRAIN, _VAL = 'train', ('val', 'valid', 'validation', 'test')
Samples = list[tuple[str, int]]


class Labelled(NamedTuple):
    """Samples with classes.

    Attributes:
        folder: Where paths start from, absolute.
        classes: Their names, label 0 first.
        train: Paths and labels to train on.
        val: To validate with.
    """
    folder: Path
    classes: tuple[str, ...]
    train: Samples
    val: Samples

    def __str__(self) -> str:
        return (f'{len(self.classes)} classes, {len(self.train)} samples to train on and '
                f'{len(self.val)} to validate with')


def find_labelled(path: str | Path, val: str | Path | None, part: float,
                  names: str | Path | None, modality: str | None) -> tuple[Data, Labelled]:
    """Samples of a folder of class folders, of such folders in train/ and val/, or of a list.

    Args:
        path: The folder or list.
        val: A list to validate with, beside a list.
        part: Of every class, for validation, where the data is not split.
        names: File with the class names of a list.
        modality: Which samples count where there are both kinds.

    Raises:
        ValueError: If it is none of these, or its classes and labels do not agree.
    """
    data = find_data(path, modality)
    if data.list is None:
        for option, value in (('--val', val), ('--classes', names)):
            if value is not None:
                raise ValueError(f'{option} belongs to a list as --data, got the folder '
                                 f'{printable(path)}; leave it out')
        return data, _of_folder(data, part)
    return data, _of_list(data, val, part, names)


def write_lists(found: Labelled, out: Path) -> dict[str, Path]:
    """Write ``train.txt``, ``val.txt`` and ``classes.txt``; returns them by name."""
    out.mkdir(parents=True, exist_ok=True)
    texts: dict[str, Sequence[str]] = dict(
        train=[f'{list_field(name)} {label}' for name, label in found.train],
        val=[f'{list_field(name)} {label}' for name, label in found.val],
        classes=list(map(printable, found.classes)))
    files = {name: out / f'{name}.txt' for name in texts}
    for name, lines in texts.items():
        files[name].write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
    return files


def _of_folder(data: Data, part: float) -> Labelled:
    kind, folder = KINDS[data.modality], data.folder
    split = [name for name in _VAL if (folder / name).is_dir()]
    if not (folder / _TRAIN).is_dir() or not split:
        classes, files, _ = class_folders(folder, kind)
        lists = split_classes(files, classes, part)
        return Labelled(folder, classes, lists['train'], lists['val'])
    of = {name: class_folders(folder / name, kind) for name in (_TRAIN, split[0])}
    if of[_TRAIN].classes != of[split[0]].classes:
        apart = sorted({*of[_TRAIN].classes} ^ {*of[split[0]].classes})
        raise ValueError(f'{printable(folder)}: {_TRAIN}/ and {split[0]}/ must have the same '
                         f'class folders, but only one of the two has {", ".join(apart)}; one '
                         'more or less would shift every label after it')
    train, val = ([(f'{name}/{file}', label) for file, label in found.files]
                  for name, found in of.items())
    return Labelled(folder, of[_TRAIN].classes, train, val)


def _of_list(data: Data, val: str | Path | None, part: float,
             names: str | Path | None) -> Labelled:
    assert data.list is not None
    files = _read(data.list, data, data.folder)
    beside = data.list.with_name('classes.txt')
    if names is None and beside.is_file():
        names = beside
    classes = _names(files) if names is None else read_classes(str(names))
    held_out = [] if val is None else _read(Path(val).absolute(), data, data.folder)
    highest = max(label for _, label in files + held_out)
    if highest >= len(classes):
        raise ValueError(f'{printable(data.list)}: labels must be below the number of classes, '
                         f'{len(classes)}, got {highest}; check {names or "the list"}')
    if held_out:
        return Labelled(data.folder, classes, files, held_out)
    lists = split_classes(files, classes, part)
    return Labelled(data.folder, classes, lists['train'], lists['val'])


def _read(file: Path, data: Data, folder: Path) -> Samples:
    """Paths, those of a list elsewhere from the folder on, and labels."""
    form = ListForm(KINDS[data.modality], labels='needed')
    lines = [(line.path, line.labels[0]) for line in read_list(str(file), form)]
    if file.parent == folder:
        return lines
    return [(str(file.parent / name), label) for name, label in lines]


def _names(files: Samples) -> tuple[str, ...]:
    """The folders of the files where each label has its own, else numbers."""
    folders: dict[int, set[str]] = {}
    for name, label in files:
        folders.setdefault(label, set()).add(Path(name).parent.name)
    count = max(folders) + 1
    found = [next(iter(folders[label])) for label in sorted(folders) if len(folders[label]) == 1]
    if len(folders) == count == len({*found} - {''}):
        return tuple(found)
    return tuple(map(str, range(count)))
