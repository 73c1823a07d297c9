"""Samples of classes, split for training and validation."""
import random
from collections.abc import Iterable, Sequence

from amd_mm.datasets.files import printable

__all__ = ['split_classes']


def split_classes(files: Iterable[tuple[str, int]], classes: Sequence[str], part: float,
                  seed: int = 0) -> dict[str, list[tuple[str, int]]]:
    """Split samples at random within every class; the same every time.

    Args:
        files: Names and labels.
        classes: Names of the classes, label 0 first.
        part: Of every class for validation, in (0, 1); at least one sample of each.
        seed: Of the split.

    Returns:
        ``train`` and ``val``, by class, sorted within it.

    Raises:
        ValueError: For a class with too few samples to split.
    """
    if not 0 < part < 1:
        raise ValueError(f'the part for validation must be in (0, 1), got {part}')
    of_class: list[list[str]] = [[] for _ in classes]
    for name, label in files:
        of_class[label].append(name)
    lists: dict[str, list[tuple[str, int]]] = dict(train=[], val=[])
    for label, (name, found) in enumerate(zip(classes, of_class, strict=True)):
        if len(found) < 2:
            raise ValueError(f'{printable(name)}: a class must have at least 2 samples, one to '
                             f'train and one to validate with, found {len(found)}')
        # Python seeds by bytes: a name that is no UTF-8 has to become some.
        random.Random(f'{seed} {printable(name)}').shuffle(found)
        count = min(max(round(part * len(found)), 1), len(found) - 1)
        lists['val'] += [(file, label) for file in sorted(found[:count])]
        lists['train'] += [(file, label) for file in sorted(found[count:])]
    return lists
