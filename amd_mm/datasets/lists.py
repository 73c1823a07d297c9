"""Reading of list files: one sample a line, the numbers at the end, spaces in paths."""
from collections.abc import Iterator
from typing import NamedTuple

from mmengine.fileio import list_from_file


class ListLine(NamedTuple):
    """One line of a list file.

    Args:
        where: File and line number, for messages.
        path: First field, spaces and all.
        counts: The numbers between path and labels (frame counts, offsets).
        labels: The labels; empty in a list without.
    """
    where: str
    path: str
    counts: tuple[int, ...]
    labels: tuple[int, ...]


def read_list(ann_file: str, form: str, num_counts: int, need_labels: bool, many_labels: bool,
              num_classes: int | None, delimiter: str | None = None) -> Iterator[ListLine]:
    """Read ``path [count ...] [label ...]`` lines; empty lines are skipped.

    Fields are taken from the right, so a path may hold the delimiter. Labels are optional
    unless asked for, but then no line may have them or every line must. A byte order mark is
    skipped.

    Args:
        ann_file: The list file.
        form: What a line should be, for messages.
        num_counts: Numbers between path and labels.
        need_labels: Whether a line without a label is an error.
        many_labels: Whether a line may hold more than one label.
        num_classes: Labels must be in [0, num_classes); None leaves them unchecked.
        delimiter: What separates fields; None is any run of blanks.

    Yields:
        The lines that are not empty, in order.

    Raises:
        ValueError: For an empty list, a line that does not have that form, a label that is
            not a number where labels are needed, or one that is out of range.
    """
    labelled = True if need_labels else None
    empty = True
    for number, text in enumerate(list_from_file(ann_file, encoding='utf-8-sig'), 1):
        if not text.strip():
            continue
        empty = False
        where = f'{ann_file}:{number}'
        wrong = f'{where}: a line must be "{form}", got "{text.strip()}"'
        path, numbers = _split(text.strip(), delimiter, num_counts, many_labels)
        if not path or len(numbers) < num_counts:
            raise ValueError(f'{wrong}; it has too few fields')
        line = ListLine(where, path, numbers[:num_counts], numbers[num_counts:])
        if labelled is None:
            labelled = bool(line.labels)
        if labelled and not line.labels:
            raise ValueError(
                f'{wrong}; its last field is no label, a whole number, although labels are '
                'needed or the lines before have one')
        if line.labels and not labelled:
            raise ValueError(f'{wrong}; it has a label and the lines before have none')
        for label in line.labels:
            if num_classes is not None and not 0 <= label < num_classes:
                raise ValueError(
                    f'{where}: a label must be in [0, {num_classes}), got {label}; '
                    'check the list or num_classes')
        yield line
    if empty:
        raise ValueError(f'{ann_file}: a list must name at least one sample, found none')


def _split(text: str, delimiter: str | None, num_counts: int,
           many_labels: bool) -> tuple[str, tuple[int, ...]]:
    """Path and the whole numbers after it, at most as many as the form allows."""
    path = text
    numbers: list[int] = []
    while many_labels or len(numbers) <= num_counts:
        head, *last = path.rsplit(delimiter, 1)
        if not last or not last[0].strip().lstrip('-').isdecimal():
            break
        path = head.rstrip()
        numbers.insert(0, int(last[0]))
    return path, tuple(numbers)
