"""The one reader of list files: one sample a line, the numbers at the end, spaces in paths."""
import codecs
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from os.path import join
from typing import Literal, NamedTuple, TypeVar

from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import print_log

from amd_mm.datasets.files import VIDEOS, Kind, escaped, printable, unescaped
from amd_mm.datasets.reading import read_bytes
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
# A path in quotes, for names that could not stand in a line otherwise.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?=[\s,]|$)')
_SHOWN = 200
T = TypeVar('T')


@dataclass(frozen=True)
class ListForm:
    """What the lines of a list hold.

    Attributes:
        kind: Of the files that are named; None for folders of frames.
        counts: Names of the numbers between path and labels.
        labels: Whether lines have labels. Where they are optional, no line may have one or every
            line must.
        several: Whether a line may have more than one label.
        num_classes: Labels must be in [0, num_classes); None leaves them unchecked.
        delimiter: What separates fields. None: blanks or, where these do not make a line of this
            form, commas.
        label_name: What to call a label in messages.
    """
    kind: Kind | None = VIDEOS
    counts: tuple[str, ...] = ()
    labels: Literal['none', 'optional', 'needed'] = 'optional'
    several: bool = False
    num_classes: int | None = None
    delimiter: str | None = None
    label_name: str = 'label'

    def __str__(self) -> str:
        label = f'{self.label_name} ...' if self.several else self.label_name
        ends = dict(none=[], optional=[f'[{label}]'], needed=[label])[self.labels]
        return ' '.join(['folder' if self.kind is None else 'path', *self.counts, *ends])


class ListLine(NamedTuple):
    """One line of a list file.

    Attributes:
        number: Of the line, from 1.
        path: First field, spaces and all.
        counts: The numbers between path and labels (frame counts, offsets).
        labels: The labels; empty in a list without.
    """
    number: int
    path: str
    counts: tuple[int, ...]
    labels: tuple[int, ...]


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
    first = None
    seen: set[str] = set()
    suffixes: frozenset[str] = frozenset()
    # Lists have millions of lines, so that nothing is put into words before it is wrong.
    for number, text in enumerate(read_text(ann_file).split('\n'), 1):
        text = text.strip(' \t\r')
        if not text:
            continue
        if suffixes:
            # As most lines of most lists are; no rule below refuses or changes such a line.
            path, _, label = text.rpartition(form.delimiter or ' ')
            suffix = path[path.rfind('.'):].lower()
            if (label.isdecimal() and text[0] not in '"#'
                    and (suffix in suffixes or suffix.startswith('.tar#'))):
                line = ListLine(number, path, (), (int(label), ))
                if label not in seen:
                    _check_range(ann_file, line, form.num_classes)
                    seen.add(label)
                yield line
                continue
        try:
            line = _parse(number, text, form)
        except ValueError as error:
            raise ValueError(f'{printable(ann_file)}:{number}: {error}') from error
        if first is None:
            first, first_text, labelled = line, text, form.labels == 'needed' or bool(line.labels)
        elif first_text and _is_header(first, line, form):
            raise _wrong_line(ann_file, first, first_text, form,
                              'it is a header, or names no such file')
        else:
            first_text = ''
            if labelled and form.labels != 'none' and not form.counts and form.kind:
                suffixes = frozenset(form.kind.suffixes)
        if wrong := _what_is_wrong(line, text, form, labelled):
            raise _wrong_line(ann_file, line, text, form, wrong)
        _check_range(ann_file, line, form.num_classes)
        yield line
    if first is None:
        raise ValueError(
            f'{printable(ann_file)}: a list must name at least one sample, found none')


def read_text(path: str) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        ValueError: If it cannot be read, or is no UTF-8; names the first line that is none.
    """
    content = read_bytes(path).removeprefix(codecs.BOM_UTF8)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError(f'{printable(path)}:1: must be UTF-8, but is UTF-16; save it as UTF-8')
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[:error.start].split(b'\n')
        line = before[-1] + content[error.start:].partition(b'\n')[0].rstrip()
        raise ValueError(
            f'{printable(path)}:{len(before)}: must be UTF-8, got "{_shown(os.fsdecode(line))}"; '
            'save the file as UTF-8. A name that is none stands in quotes, its bytes as \\xFF'
        ) from error
    # A carriage return alone ends a line for old programs only.
    odd = re.search('\0|\r(?!\n|$)', text) if '\0' in text or '\r' in text else None
    if odd:
        number = text[:odd.start()].count('\n') + 1
        found = 'a zero byte' if odd[0] == '\0' else 'a carriage return inside a line'
        raise ValueError(f'{printable(path)}:{number}: must be UTF-8 with line ends of Unix or '
                         f'Windows, but has {found}; save it so')
    return text


def list_field(path: str) -> str:
    r"""A path as it stands in a list: in quotes if :func:`read_list` would take it for another.

    These are names that are no UTF-8, hold a line break, a tab or another sign that does not
    print, begin with a quote or ``#``, begin or end with a blank, or end in a number that looks
    like a label. In quotes they are escaped: ``"two\nlines.mp4"``, ``"caf\xe9.mp4"``.
    """
    plain = (printable(path) == path and path == path.strip(' ') and path[:1] not in '"#'
             and not _is_whole(re.split('[ ,]', path)[-1]))
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
    start = join(folder, '')
    return lambda path: path if path.startswith('/') else start + path


def _parse(number: int, text: str, form: ListForm) -> ListLine:
    """A line as it is read, which may not be of the form."""
    num_counts = len(form.counts)
    path, numbers = _split(text, form)
    line = ListLine(number, path, numbers[:num_counts], numbers[num_counts:])
    if form.labels == 'none' and line.labels and form.kind and not form.kind.has(path):
        return line._replace(path=text, labels=())
    return line


def _split(text: str, form: ListForm) -> tuple[str, tuple[int, ...]]:
    """Path and the whole numbers after it, at most as many as the form allows."""
    quoted = _QUOTED.match(text) if text[0] == '"' else None
    if quoted:
        fields = text[quoted.end():].replace(form.delimiter or ',', ' ').split()
        if all(map(_is_whole, fields)):
            return unescaped(quoted[1]), tuple(map(int, fields))
    most = -1 if form.several else len(form.counts) + 1
    split = _split_at(text, form.delimiter, most)
    if form.delimiter is None and ',' in text and not _fits(split, form):
        by_commas = _split_at(text, ',', most)
        return by_commas if by_commas[1] and _fits(by_commas, form) else split
    return split


def _split_at(text: str, delimiter: str | None, most: int) -> tuple[str, tuple[int, ...]]:
    path, *fields = text.rsplit(delimiter, most)
    if not all(map(str.isdecimal, fields)):  # few lines of a long list
        count = len(list(takewhile(_is_whole, reversed(fields))))
        path = text.rsplit(delimiter, count)[0] if count < len(fields) else path
        fields = fields[len(fields) - count:]
    return path.rstrip(), tuple(map(int, fields))


def _fits(split: tuple[str, tuple[int, ...]], form: ListForm) -> bool:
    """Whether blanks separate the fields of a line, as far as path and number of fields tell."""
    path, numbers = split
    return len(numbers) >= len(form.counts) if form.kind is None else form.kind.has(path)


def _is_whole(field: str) -> bool:
    return field.strip().removeprefix('-').isdecimal()


def _what_is_wrong(line: ListLine, text: str, form: ListForm, labelled: bool) -> str:
    """What is the matter with a line, '' if nothing is."""
    complete = line.path and len(line.counts) == len(form.counts)
    if text[0] == '#' and not (complete and (form.kind is None or form.kind.has(line.path))):
        return ('it is a comment or a header, and a list holds samples alone: take it out (a path '
                'that begins so stands in quotes)')
    if not complete:
        return 'it has too few fields'
    if len(line.labels) > 1 and not form.several:
        return 'it has too many fields'
    if line.labels and form.labels == 'none':
        return 'it has a label where none is expected; take it off, or ask for labels'
    if labelled and not line.labels:
        return ('its last field is no label, a whole number, although labels are needed or the '
                'lines before have one')
    if line.labels and not labelled:
        return 'it has a label and the lines before have none'
    if form.kind and line.labels and not form.kind.has(line.path) and _ends_in_number(text, line):
        return (f'it has a number more, "{line.path.split()[-1]}", between them; lists of frames '
                '(folder, count, label) are for amd_mm.RawframeDataset, and a path that ends in a '
                'number stands in quotes')
    return ''


def _ends_in_number(text: str, line: ListLine) -> bool:
    """Whether a path, not in quotes, has a number as its last field."""
    *head, last = line.path.split()
    return bool(head) and text[0] != '"' and last.isdecimal()


def _is_header(first: ListLine, second: ListLine, form: ListForm) -> bool:
    """Whether the first line names no file, as the second one shows."""
    return (form.kind is not None and not first.labels and not form.kind.has(first.path)
            and form.kind.has(second.path))


def _check_range(ann_file: str, line: ListLine, num_classes: int | None) -> None:
    for label in line.labels:
        if num_classes is not None and not 0 <= label < num_classes:
            raise ValueError(
                f'{printable(ann_file)}:{line.number}: a label must be in [0, {num_classes}), got '
                f'{label}; check the list or num_classes')


def _wrong_line(ann_file: str, line: ListLine, text: str, form: ListForm,
                wrong: str) -> ValueError:
    return ValueError(f'{printable(ann_file)}:{line.number}: a line must be "{form}", got '
                      f'"{_shown(text)}"; {wrong}')


def _shown(text: str) -> str:
    return printable(text if len(text) <= _SHOWN else f'{text[:_SHOWN]} ...')
