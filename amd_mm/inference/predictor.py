"""Predictions over files, videos in windows and cameras: said, drawn and kept."""
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from amd_mm.datasets.files import printable
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference.classifier import Classifier, Prediction
from amd_mm.inference.windows import camera_frames, sliding_windows, video_frames
from amd_mm.visualization import VideoFile, caption


def lines_of(predictions: Sequence[Prediction]) -> list[str]:
    """One line a class, its name or, where none is known, its number."""
    return [f'{score:.3f}  {f"class {label}" if name is None else name}'
            for label, name, score in predictions]


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
        window: Seconds of a sliding window; None: as the config samples videos.
        stride: Seconds from one window to the next; None: half a window.

    Attributes:
        results: What was predicted so far, as JSON: an entry an input.
    """

    def __init__(self, classifier: Classifier, top_k: int = 5, out: Path | None = None,
                 window: float | None = None, stride: float | None = None) -> None:
        self.classifier = classifier
        self.top_k, self.out, self.window, self.stride = top_k, out, window, stride
        self.results: list[dict] = []
        self._names = OwnNames()

    def one(self, path: Path) -> None:
        """A picture or a video as a whole."""
        predictions = self._top(self.classifier.scores(path))
        print(printable(path), *lines_of(predictions), sep='\n  ')
        self.results.append(dict(
            input=printable(path), predictions=[found._asdict() for found in predictions]))
        if self.out is None:
            return
        if self.classifier.is_video:
            self._draw_video(path, [(0., predictions)])
        else:
            picture = cv2.cvtColor(read_picture(str(path)), cv2.COLOR_BGR2RGB)
            drawn = caption(picture, lines_of(predictions))
            Image.fromarray(drawn).save(self._name(path.stem, '.png'))

    def sliding(self, path: Path) -> None:
        """A video window by window."""
        fps, frames = video_frames(path)
        print(printable(path))
        shown = [(middle, found) for middle, found in self._windows(printable(path), frames, fps)]
        if self.out is not None:
            self._draw_video(path, shown)

    def camera(self, source: str, seconds: float | None = None) -> None:
        """A camera window by window; a frame shows the newest window that ended before it.

        Args:
            source: As :func:`~amd_mm.inference.camera_frames` takes it.
            seconds: How long; None: until it ends or is interrupted.
        """
        fps, frames = camera_frames(source)
        if seconds is not None:
            frames = islice(frames, max(1, round(seconds * fps)))
        newest: list[str] = []
        try:
            if self.out is None:
                for _ in self._windows(source, frames, fps):
                    pass
                return
            with VideoFile(self._name('camera', '.mp4'), fps) as file:
                def recorded() -> Iterator[np.ndarray]:
                    for frame in frames:
                        file.write(caption(frame, newest))
                        yield frame

                for _, predictions in self._windows(source, recorded(), fps):
                    newest[:] = lines_of(predictions)
        except KeyboardInterrupt:
            print('stopped')

    def _windows(self, name: str, frames: Iterator[np.ndarray],
                 fps: float) -> Iterator[tuple[float, list[Prediction]]]:
        """The frame in the middle of each window, and what is in it."""
        length = (self.classifier.window_length(fps) if self.window is None
                  else max(1, round(self.window * fps)))
        stride = (max(1, length // 2) if self.stride is None
                  else max(1, round(self.stride * fps)))
        windows: list[dict] = []
        self.results.append(dict(input=name, windows=windows))
        for start, end, some in sliding_windows(frames, length, stride):
            predictions = self._top(self.classifier.window_scores(some))
            best, *_ = lines_of(predictions)
            print(f'  {start / fps:8.2f} - {end / fps:.2f} s  {best}', flush=True)
            windows.append(dict(start=start / fps, end=end / fps,
                                predictions=[found._asdict() for found in predictions]))
            yield (start + end) / 2, predictions

    def _top(self, scores: Tensor) -> list[Prediction]:
        return self.classifier.top(scores, self.top_k)

    def _draw_video(self, path: Path, shown: list[tuple[float, list[Prediction]]]) -> None:
        """Each frame with the window whose middle is nearest."""
        fps, frames = video_frames(path)
        with VideoFile(self._name(path.stem, '.mp4'), fps) as file:
            for number, frame in enumerate(frames):
                _, predictions = min(shown, key=lambda one: abs(one[0] - number - .5))
                file.write(caption(frame, lines_of(predictions)))

    def _name(self, stem: str, ending: str) -> Path:
        assert self.out is not None
        return self.out / f'{self._names(stem)}{ending}'
