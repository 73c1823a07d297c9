"""Predictions of windows as files: tables of all videos, subtitles and drawings of each."""
import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amd_mm.datasets.files import printable
from amd_mm.export.writing import replacing
from amd_mm.inference.classifier import Prediction
from amd_mm.inference.subtitles import write_srt, write_vtt
from amd_mm.inference.timeline import Cue, Scored, cues, smoothed, spans
from amd_mm.inference.windows import video_frames
from amd_mm.visualization import VideoFile, caption

# What can be written: tables of all inputs, then what is a file for each.
TABLES = ('jsonl', 'csv')
FORMATS = (*TABLES, 'srt', 'vtt', 'video')
_STEM = 'predictions'
_COLUMNS = ('input', 'start', 'end', 'rank', 'label', 'name', 'score')


def lines_of(predictions: Sequence[Prediction]) -> list[str]:
    """One line a class, its name or, where none is known, its number."""
    return [f'{score:.3f}  {title_of(label, name)}' for label, name, score in predictions]


def title_of(label: int, name: str | None) -> str:
    """The name of a class or, where none is known, its number."""
    return f'class {label}' if name is None else name


def json_line(name: str, window: Scored, predictions: Sequence[Prediction]) -> str:
    """A window as a line of JSON."""
    return json.dumps(dict(
        input=name, start=round(window.start, 6), end=round(window.end, 6),
        predictions=[found._asdict() for found in predictions]), ensure_ascii=False) + '\n'


def csv_lines(name: str, window: Scored, predictions: Sequence[Prediction]) -> str:
    """A window as lines of CSV, one a class."""
    text = io.StringIO()
    csv.writer(text, lineterminator='\n').writerows(
        (name, round(window.start, 6), round(window.end, 6), rank, *found)
        for rank, found in enumerate(predictions, 1))
    return text.getvalue()


def scored(rows: np.ndarray) -> Iterator[Scored]:
    """Rows as a :class:`Journal` keeps them, one after the other."""
    for row in rows:
        yield Scored(float(row['start']), float(row['end']), np.array(row['values']))


class WindowFiles:
    """Writes what was found in videos, one after the other, into a folder.

    Tables grow in ``predictions.partial`` and are put in their place in the end; what is there is
    known by its size, so that writing goes on where it was interrupted.

    Args:
        out: The folder.
        formats: Some of :data:`FORMATS`.
        top: Gives the best classes of (classes,) scores, as many as asked for.
        classes: Names of all classes; None where none are known.
        top_k: How many are named.
        smooth: Seconds of :func:`smoothed`.
        min_score: Of subtitles and drawings.
        force: Whether tables that are there may be replaced.

    Raises:
        ValueError: If a table is there, or what was begun is of other settings.
    """

    def __init__(self, out: Path, formats: Sequence[str],
                 top: Callable[[torch.Tensor, int], list[Prediction]],
                 classes: Sequence[str] | None, top_k: int = 5, smooth: float = 0.,
                 min_score: float = 0., force: bool = False) -> None:
        self.out, self.formats, self.classes = out, formats, classes
        self._best, self._top_k = top, top_k
        self.smooth, self.min_score = smooth, min_score
        self.folder = out / f'{_STEM}.partial'
        self._tables = {name: f'{_STEM}.{name}' for name in TABLES if name in formats}
        for name in self._tables.values():
            if (out / name).exists() and not force:
                raise ValueError(f'{out / name}: must not exist, but it does; add --force to '
                                 'replace it, or choose another folder')
        self.folder.mkdir(parents=True, exist_ok=True)
        self._state = self.folder / 'written.json'
        state: dict[str, Any] = json.loads(self._state.read_text()) if (
            self._state.is_file()) else dict(files=0, sizes={})
        self._key = repr((sorted(formats), classes, top_k, smooth, min_score))
        if state.get('key', self._key) != self._key:
            raise ValueError(f'{self.folder}: must be of the same names, --write, --top-k, '
                             '--smooth and --min-score to go on from, but is of others; delete '
                             'it, or choose another folder')
        self.done: int = state['files']
        for name in self._tables.values():
            path = self.folder / name
            path.touch()
            os.truncate(path, state['sizes'].get(name, 0))
        if not self.done and 'csv' in self._tables:
            (self.folder / self._tables['csv']).write_text(','.join(_COLUMNS) + '\n')

    def add(self, path: Path, stem: str, rows: np.ndarray) -> None:
        """Write all that belongs to the next video.

        Args:
            path: Of the video.
            stem: Of the names of its own files.
            rows: As a :class:`Journal` keeps them; empty for one that could not be read.
        """
        for name in self.formats:
            if name in TABLES:
                self._append(name, printable(path), rows)
            elif len(rows):
                ending = 'mp4' if name == 'video' else name
                with replacing(self.out / f'{stem}.{ending}') as temporary:
                    self._write_own(name, path, temporary, rows)
        self.done += 1
        with replacing(self._state) as temporary:
            temporary.write_text(json.dumps(dict(files=self.done, key=self._key, sizes={
                name: (self.folder / name).stat().st_size for name in self._tables.values()})))

    def close(self) -> None:
        """Put the tables in their place."""
        for name in self._tables.values():
            os.replace(self.folder / name, self.out / name)
        shutil.rmtree(self.folder)

    def windows(self, rows: np.ndarray) -> Iterator[Scored]:
        """The windows of a video, smoothed."""
        return smoothed(scored(rows), self.smooth)

    def _append(self, table: str, name: str, rows: np.ndarray) -> None:
        lines = json_line if table == 'jsonl' else csv_lines
        with (self.folder / self._tables[table]).open('a', encoding='utf-8') as file:
            for window in self.windows(rows):
                file.write(lines(name, window, self._top(window)))
            file.flush()
            os.fsync(file.fileno())

    def _write_own(self, name: str, path: Path, to: Path, rows: np.ndarray) -> None:
        if name == 'video':
            draw_video(path, to, spans(self.windows(rows)), self._shown)
            return
        write = write_srt if name == 'srt' else write_vtt
        write(to, cues(self.windows(rows), self.min_score), self._title)

    def _top(self, window: Scored) -> list[Prediction]:
        return self._best(torch.from_numpy(window.scores), self._top_k)

    def _shown(self, span: Scored) -> list[str]:
        return lines_of([found for found in self._top(span) if found.score >= self.min_score])

    def _title(self, cue: Cue) -> str:
        name = None if self.classes is None else self.classes[cue.label]
        return f'{title_of(cue.label, name)} {cue.score:.2f}'


def draw_video(path: Path, to: Path, some_spans: Iterable[Scored],
               lines: Callable[[Scored], list[str]]) -> None:
    """Write a video with text on each frame, that of the span in which it is shown.

    Args:
        path: The video; it is decoded once more.
        to: File to write, an .mp4.
        some_spans: In order, at least one.
        lines: The text of a span.
    """
    coming = iter(some_spans)
    span = next(coming)
    text = lines(span)
    fps, frames = video_frames(path)
    with VideoFile(to, fps) as file:
        for frame in frames:
            while frame.time >= span.end and (following := next(coming, None)) is not None:
                span = following
                text = lines(span)
            file.write(caption(frame.picture, text), frame.time)
