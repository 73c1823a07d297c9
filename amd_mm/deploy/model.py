"""A student in three lines: pixels in, names and scores out."""
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from amd_mm.deploy.metadata import JSON_NAME, Form, describe, read_metadata
from amd_mm.deploy.runtimes import Run, open_file
from amd_mm.deploy.sources import Wish, read_subject, run_torch
from amd_mm.deploy.subject import BOXES, CLASSIFIER, Exported

_INTERPOLATIONS = dict(
    bilinear=(cv2.INTER_LINEAR, Image.Resampling.BILINEAR),
    bicubic=(cv2.INTER_CUBIC, Image.Resampling.BICUBIC),
    nearest=(cv2.INTER_NEAREST, Image.Resampling.NEAREST),
    lanczos=(cv2.INTER_LANCZOS4, Image.Resampling.LANCZOS))

Pixels = np.ndarray | Tensor | Sequence[np.ndarray]


def open_model(path: str | Path, threads: int | None = None, **wish: Any) -> 'Model':
    """An exported folder, or a checkpoint in torch.

    Args:
        path: As ``tools/export.py`` wrote it, or what it takes.
        threads: For the runtime of an exported folder.
        **wish: For a checkpoint, fields of :class:`Wish`.

    Raises:
        ValueError: If it cannot be read, or its runtime is not installed.
    """
    path = Path(path)
    if (path / JSON_NAME).is_file():
        said = read_metadata(path)
        return Model(open_file(path / said['file'], said['precision'], threads), said)
    subject = read_subject(path, Wish(**wish))
    module = Exported(subject, True).eval()
    return Model(lambda feeds: run_torch(module, feeds),
                 describe(subject, Form('pt2', dynamic_batch=True)))


class Model:
    """A network that takes pixels as they come, one input a call.

    Every input is computed by itself, so its result does not hang on what else is asked; several
    threads may ask at once.

    Args:
        run: Takes what ``inputs`` of the metadata say.
        metadata: The content of ``model.json``.
    """

    def __init__(self, run: Run, metadata: dict[str, Any]) -> None:
        self.run, self.metadata = run, metadata
        self.size = tuple(side for side, axis in zip(
            metadata['inputs'][0]['shape'], metadata['inputs'][0]['axes'], strict=True)
            if axis in ('frames', 'rows', 'columns'))

    def __call__(self, pixels: Pixels, top: int = 5) -> list[tuple[str, float]]:
        """Names and scores of the best classes, best first.

        Args:
            pixels: (T, H, W, 3) all frames of a video, or a sequence of them, or (H, W, 3) of a
                picture; uint8, RGB.
            top: How many classes.

        Raises:
            ValueError: If there is no classifier, or the pixels are of another kind.
        """
        if self.metadata['kind'] != CLASSIFIER:
            raise ValueError(
                f'Model: must have a classifier to name classes, but gives '
                f'{self.metadata["output"]["means"]}; fine-tune it first, or call scores()')
        scores = self.scores(pixels)
        names = self.metadata['classes'] or [f'class {label}' for label in range(len(scores))]
        return [(names[label], float(scores[label])) for label in np.argsort(-scores)[:top]]

    def scores(self, pixels: Pixels, boxes: np.ndarray | None = None) -> np.ndarray:
        """What the network gives for one input: (classes,), (N, classes) of boxes, or features.

        Args:
            pixels: As above.
            boxes: (N, 4) in pixels of what :meth:`prepare` makes, for models of boxes.
        """
        array = self.prepare(pixels)[None]
        said = self.metadata['preprocess']
        if self.metadata['inputs'][0]['dtype'] != 'uint8':
            values = (array - np.float32(said['mean'])) / np.float32(said['std'])
            array = np.ascontiguousarray(np.moveaxis(values, -1, 1))
        if self.metadata['kind'] != BOXES:
            return self.run({'pixels': array})[0]
        if boxes is None:
            raise ValueError('Model: must be given boxes, (N, 4) of left, top, right, bottom, got '
                             'none')
        return self.run({'pixels': array, 'boxes': np.asarray(boxes, np.float32)})

    def prepare(self, pixels: Pixels) -> np.ndarray:
        """Frames in the middle, resized and cut in the middle, as the metadata says.

        What has the network's frames already is not sampled, and what has its rows and columns is
        neither resized nor cut. A clip that is too short repeats its last frame, with a warning.
        """
        said = self.metadata['preprocess']
        if len(self.size) == 2:
            return self._cut(_checked(pixels, 3), said)
        # Of a sequence of pictures only those are looked at that are chosen.
        frames = pixels if isinstance(pixels, Sequence) else _checked(pixels, 4)
        chosen = middle_frames(len(frames), self.size[0], said.get('stride'))
        if len(set(chosen)) < len(chosen):
            warnings.warn(
                f'Pixels: a clip is {self.size[0]} frames at a stride of '
                f'{said.get("stride") or 1}, got {len(frames)} frames: the last is repeated',
                stacklevel=3)
        return np.stack([self._cut(_checked(frames[index], 3), said) for index in chosen])

    def _cut(self, frame: np.ndarray, said: dict[str, Any]) -> np.ndarray:
        height, width = self.size[-2:]
        if frame.shape[:2] == (height, width):
            return frame
        short = said['short_side']
        if short is not None and min(frame.shape[:2]) != short:
            scale = short / min(frame.shape[:2])
            rows, columns = (max(short, int(side * scale + .5)) for side in frame.shape[:2])
            frame = _resize(frame, (columns, rows), said['interpolation'], said['antialias'])
        top, left = ((side - part) // 2 for side, part in zip(
            frame.shape[:2], (height, width), strict=True))
        if top < 0 or left < 0:
            raise ValueError(f'Pixels: must be at least {height} x {width}, got '
                             f'{frame.shape[0]} x {frame.shape[1]}')
        return frame[top:top + height, left:left + width]


def _checked(pixels: Any, axes: int) -> np.ndarray:
    array = pixels.numpy() if isinstance(pixels, torch.Tensor) else np.asarray(pixels)
    if array.dtype != np.uint8 or array.ndim != axes or array.shape[-1] != 3 or 0 in array.shape:
        names = 'frames, rows, columns, 3' if axes == 4 else 'rows, columns, 3'
        raise ValueError(f'Pixels: must be ({names}) of uint8 in RGB, got {tuple(array.shape)} of '
                         f'{array.dtype}')
    return array


def _resize(frame: np.ndarray, size: tuple[int, int], interpolation: str,
            antialias: bool) -> np.ndarray:
    """A frame as (columns, rows), by the library that testing uses."""
    opencv, pillow = _INTERPOLATIONS[interpolation]
    if antialias:
        return np.asarray(Image.fromarray(frame).resize(size, pillow))
    return cv2.resize(frame, size, interpolation=opencv)


def middle_frames(total: int, frames: int, stride: int | None) -> list[int]:
    """Which of ``total`` frames are seen: ``frames`` in the middle; the last again where short.

    Args:
        total: Frames of the video.
        frames: To choose; all, where there are as many.
        stride: From one to the next; None: evenly over all.
    """
    if stride is None:
        return [min(total - 1, int((index + .5) * total / frames)) for index in range(frames)]
    if total == frames:
        return list(range(total))
    first = max(0, (total - frames * stride + 1) // 2)
    return [min(total - 1, first + index * stride) for index in range(frames)]
