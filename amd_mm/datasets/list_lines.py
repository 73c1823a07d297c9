"""What a line of a list holds: one sample, the numbers at the end, spaces in the path."""
import re
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, NamedTuple

from amd_mm.datasets.files import VIDEOS, Kind, unescaped

# Around a line, they are no part of it.
BLANKS = ' \t\r'
# A path in quotes, for names that could not stand in a line otherwise.
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?=[\s,]|$)')


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


def ordinary_lines(form: ListForm, labelled: bool) -> re.Pattern[str] | None:
    """What lines of a path and a label, or of a path alone, match: groups suffix and label.

    None for other lists, all of whose lines go through the rules.
    """
    if form.kind is None or form.counts or form.several:
        return None
    delimiter = r'[ \t]+' if form.delimiter is None else re.escape(form.delimiter)
    label = rf'{delimiter}([0-9]{{1,18}})' if labelled else '()'
    return re.compile(
        rf'^[^"#\s][^\n]*\.(?:tar#[0-9]+\+[0-9]+|(\w+)){label}[ \t]*\r?$', re.MULTILINE)


def parse(number: int, text: str, form: ListForm) -> ListLine:
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
        if all(map(is_whole, fields)):
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
        count = len(list(takewhile(is_whole, reversed(fields))))
        path = text.rsplit(delimiter, count)[0] if count < len(fields) else path
        fields = fields[len(fields) - count:]
    return path.rstrip(), tuple(map(int, fields))


def _fits(split: tuple[str, tuple[int, ...]], form: ListForm) -> bool:
    """Whether blanks separate the fields of a line, as far as path and number of fields tell."""
    path, numbers = split
    return len(numbers) >= len(form.counts) if form.kind is None else form.kind.has(path)


def is_whole(field: str) -> bool:
    """Whether a field is a whole number."""
    return field.strip().removeprefix('-').isdecimal()


def what_is_wrong(line: ListLine, text: str, form: ListForm, labelled: bool) -> str:
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


def is_header(first: ListLine, second: ListLine, form: ListForm) -> bool:
    """Whether the first line names no file, as the second one shows."""
    return (form.kind is not None and not first.labels and not form.kind.has(first.path)
            and form.kind.has(second.path))
