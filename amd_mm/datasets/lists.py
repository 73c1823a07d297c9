"""Reading of list files: one sample a line, the numbers at the end, spaces in paths."""
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import takewhile
from os.path import join
from typing import TypeVar

from mmengine.fileio import LocalBackend, get_file_backend, list_from_file
from mmengine.logging import print_log

from amd_mm.values import CALLABLE, CONFIG, FLAG, TEXT, either, list_of, optional, whole

# Of data sets whose samples are in a list file, and what such data sets hand on to the host.
LIST_ARGUMENTS = dict(
    pipeline=list_of(either(CONFIG, CALLABLE), least=0),
    ann_file=TEXT,
    need_labels=FLAG,
    multi_class=FLAG,
    num_classes=optional(whole(1)),
    start_index=whole(0),
    test_mode=FLAG)
T = TypeVar('T')
_TOO_FEW = 'it has too few fields'
_NO_LABEL = ('its last field is no label, a whole number, although labels are needed or the lines '
             'before have one')
_LABEL = 'it has a label and the lines before have none'
# A line's number from 1, its first field (spaces and all), the numbers between path and labels
# (frame counts, offsets) and the labels, none in a list without. A plain tuple: there are millions.
ListLine = tuple[int, str, tuple[int, ...], tuple[int, ...]]


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
    most_numbers = -1 if many_labels else num_counts + 1
    labelled = True if need_labels else None
    seen: set[int] = set()
    empty = True
    # Lists have millions of lines, so that nothing is put into words before it is wrong.
    for number, text in enumerate(list_from_file(ann_file, encoding='utf-8-sig'), 1):
        text = text.strip()
        if not text:
            continue
        empty = False
        path, numbers = _split(text, delimiter, most_numbers)
        counts, labels = numbers[:num_counts], numbers[num_counts:]
        if labelled is None:
            labelled = bool(labels)
        if not path or len(counts) < num_counts or bool(labels) != labelled:
            few = not path or len(counts) < num_counts
            raise ValueError(f'{ann_file}:{number}: a line must be "{form}", got "{text}"; '
                             f'{_TOO_FEW if few else _NO_LABEL if labelled else _LABEL}')
        if num_classes is not None and not seen.issuperset(labels):
            for label in labels:
                if not 0 <= label < num_classes:
                    raise ValueError(
                        f'{ann_file}:{number}: a label must be in [0, {num_classes}), got '
                        f'{label}; check the list or num_classes')
            seen.update(labels)
        yield number, path, counts, labels
    if empty:
        raise ValueError(f'{ann_file}: a list must name at least one sample, found none')


def said_while(subject: str, things: str, items: Iterable[T], total: int | None = None,
               every: float = 10.) -> Iterator[T]:
    """The items; says in the log how many there were so far, where it takes long.

    Args:
        subject: What has these items, for the line.
        things: What they are, in the plural.
        items: The items.
        total: How many there are, where known.
        every: Seconds from one line to the next.
    """
    said = time.monotonic()
    of_total = '' if total is None else f' of {total}'
    for number, item in enumerate(items):
        if number % 1024 == 1023 and time.monotonic() - said > every:
            said = time.monotonic()
            print_log(f'{subject}: {number + 1}{of_total} {things} checked', 'current')
        yield item


def require_num_classes(dataset: str, multi_class: bool = False, num_classes: int | None = None,
                        **_: object) -> None:
    """Raise a ValueError unless several labels a sample come with the number of classes."""
    if multi_class and num_classes is None:
        raise ValueError(
            f'num_classes of {dataset} must be given with multi_class=True, whose labels have as '
            'many places, got None; set it, or multi_class=False')


def joiner(folder: str) -> Callable[[str], str]:
    """What puts ``folder`` before a path, of whatever storage; as fast as lists are long."""
    backend = get_file_backend(folder, enable_singleton=True)
    if not isinstance(backend, LocalBackend):
        return partial(backend.join_path, folder)
    start = join(folder, '')
    return lambda path: path if path.startswith('/') else start + path


def _split(text: str, delimiter: str | None, most_numbers: int) -> tuple[str, tuple[int, ...]]:
    """Path and the whole numbers after it, at most as many as the form allows (-1: any)."""
    fields = text.rsplit(delimiter, most_numbers)
    if len(fields) == 2 and fields[1].isdecimal():  # as most lines are
        return fields[0].rstrip(), (int(fields[1]), )
    count = len(list(takewhile(_is_whole, reversed(fields[1:]))))
    numbers = tuple(map(int, fields[len(fields) - count:]))
    return text.rsplit(delimiter, count)[0].rstrip(), numbers


def _is_whole(field: str) -> bool:
    return field.strip().lstrip('-').isdecimal()
