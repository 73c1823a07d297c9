"""Samples of a list file that stay in the file."""
from __future__ import annotations

import copy
import zlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from mmengine.dataset import BaseDataset

from amd_mm.datasets.files import printable
from amd_mm.datasets.list_lines import BLANKS, ListForm, ListLine, parse
from amd_mm.datasets.lists import ListReader, said_while
from amd_mm.datasets.text_files import TextFile, decoded


class ListedSamples(Sequence[dict]):
    """What a list says of its samples, each read from the file when it is asked for.

    All lines are checked at once, as :func:`~amd_mm.datasets.lists.read_list` does. What is kept
    is where each piece of 4 KiB begins, and its checksum: 7 MiB for a gigabyte, whatever the
    number of lines. The list itself is in memory once a machine, as files are that are read, and
    not a copy in every process (:class:`~amd_mm.datasets.text_files.TextFile`).

    Args:
        ann_file: The list.
        form: What a line should be.
        info_of: What is said of a sample, made of its line.
        check: Looks at lines whose path does not end as files of the form's kind do; it may
            raise a ValueError.

    Attributes:
        labels: Those that are in the list; None for a part of one.

    Raises:
        ValueError: See :func:`~amd_mm.datasets.lists.read_list`.
    """

    def __init__(self, ann_file: str, form: ListForm, info_of: Callable[[ListLine], dict],
                 check: Callable[[ListLine], object] | None = None) -> None:
        self.ann_file, self.form, self.info_of = ann_file, form, info_of
        self._file = TextFile(ann_file)
        reader = ListReader(ann_file, form)
        # Of each piece; samples are those before it.
        places, numbers, samples, checksums = array('q'), array('q'), array('q'), array('Q')
        count = end = 0
        for piece in said_while(ann_file, 'blocks of 4 KiB', self._file.pieces()):
            places.append(piece.place)
            numbers.append(piece.number)
            samples.append(count)
            checksums.append(zlib.crc32(piece.content))
            end = piece.place + len(piece.content)
            text = decoded(ann_file, *piece)
            if reader.is_ordinary(text):
                count += text.count('\n') + (text[-1] != '\n')
                continue
            for line in reader.lines(piece.number, text):
                count += 1
                if check is not None:
                    check(line)
        reader.require_samples()
        places.append(end)
        self._places, self._numbers, self._samples, self._checksums = map(
            np.asarray, (places, numbers, samples, checksums))
        self._chosen: Sequence[int] = range(count)
        self.labels: frozenset[int] | None = frozenset(reader.labels)
        # The piece that was read last.
        self._lines: tuple[int, list[tuple[int, str]]] = -1, []

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, number: int) -> dict: ...

    @overload
    def __getitem__(self, number: slice) -> ListedSamples: ...

    def __getitem__(self, number: int | slice) -> dict | ListedSamples:
        if isinstance(number, slice):
            part = copy.copy(self)
            part._chosen, part.labels = self._chosen[number], None
            return part
        return self.info_of(self._line(self._chosen[number]))

    def __deepcopy__(self, memo: dict[int, Any]) -> ListedSamples:
        """Nothing of it changes."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """A copy reads its lines itself."""
        return dict(self.__dict__, _lines=(-1, []))

    def _line(self, sample: int) -> ListLine:
        piece = int(np.searchsorted(self._samples, sample, 'right')) - 1
        if self._lines[0] != piece:
            self._lines = piece, self._read(piece)
        return parse(*self._lines[1][sample - int(self._samples[piece])], self.form)

    def _read(self, piece: int) -> list[tuple[int, str]]:
        """The lines of a piece that are not blank, with their numbers."""
        place, end = self._places[piece:piece + 2].tolist()
        content = self._file.read(place, end - place)
        if zlib.crc32(content) != self._checksums[piece]:
            raise ValueError(
                f'{printable(self.ann_file)}: a long list must stay as it is while a run reads '
                'it, but it changed; write another list under another name, and start again')
        number = int(self._numbers[piece])
        text = decoded(self.ann_file, place, number, content)
        return [(number, line) for number, line in enumerate(
            map(_bare, text.split('\n')), number) if line]


def samples_of(dataset: BaseDataset, form: ListForm, info_of: Callable[[ListLine], dict],
               check: Callable[[ListLine], object] | None = None) -> Sequence[dict]:
    """What the list of a data set says of its samples; a copy where it wants one, to serialise it.

    Args:
        dataset: Names the list.
        form: See :class:`ListedSamples`, as the others.
        info_of: What is said of a sample.
        check: Looks at a line.
    """
    samples = ListedSamples(dataset.ann_file, form, info_of, check)
    return list(samples) if dataset.serialize_data else samples


def _bare(line: str) -> str:
    return line.strip(BLANKS)
