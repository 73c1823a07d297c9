"""The one reader of list files: one sample a line, see amd_mm/datasets/list_lines.py."""
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from os.path import join
from typing import TypeVar

from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import print_log

from amd_mm.datasets.files import escaped, printable
from amd_mm.datasets.list_lines import (
    BLANKS,
    ListForm,
    ListLine,
    is_header,
    is_whole,
    ordinary_lines,
    parse,
    what_is_wrong,
)
from amd_mm.datasets.text_files import TextFile, decoded, shown
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


def read_list(ann_file: str, form: ListForm) -> Iterator[ListLine]:
    r"""Read ``path [count ...] [label ...]`` lines; blank lines are skipped.

    Fields are taken from the right, so a path may hold the delimiter. A path may stand in
    quotes, with ``\n``, ``\\``, ``\"`` and ``\xFF`` in it, see :func:`list_field`. Byte order
    mark and line ends of Windows are no part of a line.

    Args:
        ann_file: The list file.
        form: What a line should be.

    Yields:
        The lines that are not blank, in order.

    Raises:
        ValueError: For a list that is missing, empty or no UTF-8, a header, a comment, a line
            of another form, or a label that is out of range; with file, line and what stands
            there.
    """
    reader = ListReader(ann_file, form)
    for piece in TextFile(ann_file).pieces():
        yield from reader.lines(piece.number, decoded(ann_file, *piece))
    reader.require_samples()


class ListReader:
    """Reads the lines of a list one after the other, and refuses those that are wrong.

    Args:
        ann_file: The list file, for messages.
        form: What a line should be.

    Attributes:
        labels: Those that were read.
    """

    def __init__(self, ann_file: str, form: ListForm) -> None:
        self.ann_file = ann_file
        self.form = form
        self.labels: set[int] = set()
        self._first: ListLine | None = None
        self._first_text = ''
        self._labelled = form.labels == 'needed'
        # Of lines as most lines of most lists are; None before it is known which these are.
        self._ordinary: re.Pattern[str] | None = None

    def lines(self, number: int, text: str) -> Iterator[ListLine]:
        """Whole lines of the list.

        Args:
            number: Of the first one.
            text: The lines.

        Raises:
            ValueError: See :func:`read_list`.
        """
        is_ordinary = self.is_ordinary(text)
        for place, line in enumerate(text.split('\n'), number):
            if line := line.strip(BLANKS):
                yield parse(place, line, self.form) if is_ordinary else self._checked(place, line)

    def is_ordinary(self, text: str) -> bool:
        """Whether no rule refuses any of some lines, and none is blank, as far as that is quick.

        False says nothing.
        """
        if self._ordinary is None:
            return False
        found = self._ordinary.findall(text)
        if len(found) != text.count('\n') + (text[-1:] not in ('', '\n')):
            return False
        kind, most = self.form.kind, self.form.num_classes
        assert kind is not None
        # Few ones of many lines.
        ends = set(found)
        labels = {int(label) for _, label in ends if label}
        if any(f'.{suffix}'.lower() not in kind.suffixes for suffix, _ in ends if suffix) or (
                most is not None and any(label >= most for label in labels - self.labels)):
            return False
        self.labels |= labels
        return True

    def require_samples(self) -> None:
        """Raise a ValueError if there was no line."""
        if self._first is None:
            raise ValueError(
                f'{printable(self.ann_file)}: a list must name at least one sample, found none')

    def _checked(self, number: int, text: str) -> ListLine:
        ann_file, form = self.ann_file, self.form
        try:
            line = parse(number, text, form)
        except ValueError as error:
            raise ValueError(f'{printable(ann_file)}:{number}: {error}') from error
        if self._first is None:
            self._first, self._first_text = line, text
            self._labelled |= bool(line.labels)
        elif self._first_text and is_header(self._first, line, form):
            raise _wrong_line(ann_file, self._first, self._first_text, form,
                              'it is a header, or names no such file')
        elif self._first_text:
            self._first_text = ''
            self._ordinary = ordinary_lines(form, self._labelled)
        if wrong := what_is_wrong(line, text, form, self._labelled):
            raise _wrong_line(ann_file, line, text, form, wrong)
        _check_range(ann_file, line, form.num_classes)
        self.labels.update(line.labels)
        return line


def list_field(path: str) -> str:
    r"""A path as it stands in a list: in quotes if :func:`read_list` would take it for another.

    These are names that are no UTF-8, hold a line break, a tab or another sign that does not
    print, begin with a quote or ``#``, begin or end with a blank, or end in a number that looks
    like a label. In quotes they are escaped: ``"two\nlines.mp4"``, ``"caf\xe9.mp4"``.
    """
    plain = (printable(path) == path and path == path.strip(' ') and path[:1] not in '"#'
             and not is_whole(re.split('[ ,]', path)[-1]))
    return path if plain else '"{}"'.format(escaped(path).replace('"', r'\"'))


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
            print_log(f'{printable(subject)}: {number + 1}{of_total} {things} checked', 'current')
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
    return partial(_joined, join(folder, ''))


def _joined(start: str, path: str) -> str:
    return path if path.startswith('/') else start + path


def _check_range(ann_file: str, line: ListLine, num_classes: int | None) -> None:
    for label in line.labels:
        if num_classes is not None and not 0 <= label < num_classes:
            raise ValueError(
                f'{printable(ann_file)}:{line.number}: a label must be in [0, {num_classes}), got '
                f'{label}; check the list or num_classes')


def _wrong_line(ann_file: str, line: ListLine, text: str, form: ListForm,
                wrong: str) -> ValueError:
    return ValueError(f'{printable(ann_file)}:{line.number}: a line must be "{form}", got '
                      f'"{shown(text)}"; {wrong}')
