"""Scores of windows as a line through time: smoothed, cut into spans, merged into cues."""
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np


class Scored(NamedTuple):
    """What was found for some time.

    Attributes:
        start: In seconds.
        end: In seconds.
        scores: (classes,).
    """
    start: float
    end: float
    scores: np.ndarray

    @property
    def middle(self) -> float:
        """Of the time."""
        return (self.start + self.end) / 2


class Cue(NamedTuple):
    """A time in which one class was the best.

    Attributes:
        start: In seconds.
        end: In seconds.
        label: The class.
        score: Its mean over that time's windows.
    """
    start: float
    end: float
    label: int
    score: float


def smoothed(windows: Iterable[Scored], seconds: float) -> Iterator[Scored]:
    """Each window with the mean scores of all windows whose middles are near.

    Args:
        windows: In order.
        seconds: How far from the first to the last of these middles; 0 changes nothing.
    """
    if not seconds:
        yield from windows
        return
    near: deque[Scored] = deque()
    place = 0
    for window in chain(windows, [None]):
        if window is not None:
            near.append(window)
        while place < len(near) and (
                window is None or near[place].middle + seconds / 2 < window.middle):
            this = near[place]
            while near[0].middle < this.middle - seconds / 2:
                near.popleft()
                place -= 1
            those = [one.scores for one in near if one.middle <= this.middle + seconds / 2]
            mean = np.stack(those).mean(0, np.float64)
            yield this._replace(scores=mean.astype(np.float32))
            place += 1


def spans(windows: Iterable[Scored]) -> Iterator[Scored]:
    """Windows that overlap or leave gaps, each with the time of its own.

    A time belongs to the window whose middle is nearest; what lies before the first middle and
    behind the last belongs to these, as far as their windows go.
    """
    last: Scored | None = None
    start = 0.
    for window in windows:
        if last is None:
            start = window.start
        else:
            middle = (last.middle + window.middle) / 2
            yield Scored(start, middle, last.scores)
            start = middle
        last = window
    if last is not None:
        yield Scored(start, last.end, last.scores)


def cues(windows: Iterable[Scored], min_score: float = 0.) -> Iterator[Cue]:
    """Spans of the same best class as one; none where its score is too low.

    Args:
        windows: As for :func:`spans`.
        min_score: In [0, 1].
    """
    open_cue: Cue | None = None
    scores: list[float] = []
    for span in spans(windows):
        label = int(span.scores.argmax())
        score = float(span.scores[label])
        if open_cue is not None and (label != open_cue.label or score < min_score):
            yield open_cue
            open_cue = None
        if score < min_score:
            continue
        if open_cue is None:
            open_cue, scores = Cue(span.start, span.end, label, score), []
        scores.append(score)
        open_cue = open_cue._replace(end=span.end, score=sum(scores) / len(scores))
    if open_cue is not None:
        yield open_cue
