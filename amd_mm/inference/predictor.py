"""Predictions over files, videos in windows and cameras: said, drawn and kept."""
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from amd_mm.datasets.files import printable
from amd_mm.datasets.transforms.frame_stream import ShownFrame
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference.classifier import Classifier, Prediction
from amd_mm.inference.live import Camera
from amd_mm.inference.timeline import Scored, smoothed
from amd_mm.inference.window_files import (
    WindowFiles,
    draw_video,
    json_line,
    lines_of,
    scored,
)
from amd_mm.inference.window_run import WindowRun
from amd_mm.inference.windows import Cut
from amd_mm.visualization import VideoFile, caption


class OwnNames:
    """Names of files to write, each given once, for files of the same name in several folders."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def __call__(self, stem: str) -> str:
        """The stem, printable as not every writer of files takes every name, and a number."""
        stem = printable(stem)
        self._given[stem] += 1
        return stem if self._given[stem] == 1 else f'{stem}-{self._given[stem]}'


class Predictor:
    """Predicts, says, draws and remembers.

    Args:
        classifier: The model.
        top_k: How many of the best classes to name, at least 1.
        out: Folder for pictures and videos with their predictions on them; None draws nothing.

    Attributes:
        results: What :meth:`one` predicted so far, as JSON: an entry an input.
    """

    def __init__(self, classifier: Classifier, top_k: int = 5, out: Path | None = None) -> None:
        self.classifier, self.top_k, self.out = classifier, top_k, out
        self.results: list[dict] = []
        self._names = OwnNames()

    def one(self, path: Path) -> None:
        """A picture or a video as a whole."""
        predictions = self.top(self.classifier.scores(path))
        print(printable(path), *lines_of(predictions), sep='\n  ')
        self.results.append(dict(
            input=printable(path), predictions=[found._asdict() for found in predictions]))
        if self.out is None:
            return
        if self.classifier.is_video:
            whole = Scored(0., 0., np.empty(0))
            draw_video(path, self._name(path.stem, '.mp4'), [whole],
                       lambda span: lines_of(predictions))
        else:
            picture = cv2.cvtColor(read_picture(str(path)), cv2.COLOR_BGR2RGB)
            drawn = caption(picture, lines_of(predictions))
            Image.fromarray(drawn).save(self._name(path.stem, '.png'))

    def sliding(self, files: Sequence[Path], run: WindowRun, to: WindowFiles | None,
                smooth: float = 0.) -> int:
        """Videos window by window; return how many could not be read.

        Args:
            files: The videos.
            run: Of the classifier.
            to: Where it is written; None: it is only said.
            smooth: Seconds of :func:`smoothed`, of what is said.
        """
        failed = 0
        for number in run(files):
            path, end = files[number], run.journal.ends[number]
            stem = self._names(path.stem)
            if to is not None and number < to.done:
                failed += end.error is not None
                continue
            if end.error is not None:
                print(f'error: {end.error}', file=sys.stderr)
                failed += 1
            # Of a file that breaks off nothing counts.
            rows = run.journal.rows_of(number)[:None if end.error is None else 0]
            print(printable(path), *end.notes, sep='\n  ')
            if to is not None:
                to.add(path, stem, rows)
                print(f'  {len(rows)} windows')
            else:
                for window in smoothed(scored(rows), smooth):
                    _say(window, lines_of(self.top(torch.from_numpy(window.scores))))
        return failed

    def camera(self, camera: Camera, cut: Cut, smooth: float = 0.,
               seconds: float | None = None) -> None:
        """A camera window by window; a frame shows the newest window that ended before it.

        Into the folder go ``camera.jsonl``, a line a window as it comes, and ``camera.mp4``.

        Args:
            camera: That is watched.
            cut: How windows lie, by its frames a second.
            smooth: Seconds of :func:`smoothed`; half of it is waited for.
            seconds: How long; None: until it ends or is interrupted.
        """
        newest: list[str] = []
        with ExitStack() as files:
            files.callback(camera.close)
            drawn = kept = None
            if self.out is not None:
                drawn = files.enter_context(VideoFile(self.out / 'camera.mp4', camera.fps))
                kept = files.enter_context(
                    (self.out / 'camera.jsonl').open('w', encoding='utf-8'))

            def show(frame: ShownFrame) -> None:
                if drawn is not None:
                    drawn.write(caption(frame.picture, newest), frame.time)

            try:
                for window in smoothed(self._watched(camera, cut, seconds, show), smooth):
                    predictions = self.top(torch.from_numpy(window.scores))
                    newest[:] = lines_of(predictions)
                    _say(window, newest)
                    if kept is not None:
                        kept.write(json_line(camera.name, window, predictions))
                        kept.flush()
            except KeyboardInterrupt:
                print('stopped')

    def _watched(self, camera: Camera, cut: Cut, seconds: float | None,
                 show: Callable[[ShownFrame], None]) -> Iterator[Scored]:
        """Windows of a camera with their scores; ``show`` gets every frame that is not dropped."""
        length = (self.classifier.window_length(camera.fps) if cut.window is None
                  else max(1, round(cut.window * camera.fps)))
        stride = length // 2 if cut.stride is None else round(cut.stride * camera.fps)
        dropped = 0
        try:
            for live in camera.windows(length, max(1, stride)):
                window, dropped = live.window, live.dropped
                for frame in window.frames[-live.fresh:]:
                    show(frame)
                scores = self.classifier.window_scores(window.pictures)
                yield Scored(window.start, window.end, scores.numpy())
                if seconds is not None and window.end >= seconds:
                    return
            print(f'{camera.name}: the stream has ended')
        finally:
            print(f'{camera.name}: {dropped} frames dropped')

    def top(self, scores: Tensor) -> list[Prediction]:
        """The best classes."""
        return self.classifier.top(scores, self.top_k)

    def _name(self, stem: str, ending: str) -> Path:
        assert self.out is not None
        return self.out / f'{self._names(stem)}{ending}'


def _say(window: Scored, lines: Sequence[str]) -> None:
    print(f'  {window.start:8.2f} - {window.end:.2f} s  {lines[0]}', flush=True)
