"""Boxes of people in a frame of a video: from a file, or by a detector of torchvision or mmdet."""
import csv
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
import torchvision

from amd_mm.checkpoints import read_state_dict
from amd_mm.datasets.files import printable
from amd_mm.inference.detector import Detector

# Of COCO as torchvision counts: 0 is the background.
_PERSON = 1
_COLUMNS = 'video,time,x1,y1,x2,y2[,score[,track]]'


class Person(NamedTuple):
    """A box.

    Attributes:
        box: Left, upper, right and lower edge in shares of the picture.
        score: In [0, 1].
        track: Who it is, the same from frame to frame; None where that is not known.
    """
    box: tuple[float, float, float, float]
    score: float
    track: str | None


class People(Protocol):
    """Tells where people are."""

    def __call__(self, path: Path, time: float, picture: np.ndarray) -> list[Person]:
        """The people in a frame.

        Args:
            path: Of the video.
            time: Of the frame, in seconds.
            picture: (H, W, 3) uint8, RGB.
        """


class BoxFile:
    """Boxes from a file of ``video,time,x1,y1,x2,y2[,score[,track]]`` lines.

    Args:
        path: The file. ``video`` is a name with or without ending, ``time`` in seconds, corners are
            in shares of the picture, as in AVA.
        tolerance: A frame gets the boxes of the nearest time, if it is as near as this, in seconds.

    Raises:
        ValueError: For a line of another form; names file and line.
    """

    def __init__(self, path: str | Path, tolerance: float = .5) -> None:
        self.tolerance = tolerance
        self._found: dict[str, dict[float, list[Person]]] = {}
        with Path(path).open(encoding='utf-8', newline='') as file:
            for number, row in enumerate(csv.reader(file), 1):
                try:
                    self._add(row)
                except ValueError as error:
                    raise ValueError(
                        f'{printable(path)}:{number}: a line of boxes must be {_COLUMNS} with '
                        'seconds, corners in [0, 1] and the first corner before the second, got '
                        f'{printable(",".join(row))}') from error

    def _add(self, row: list[str]) -> None:
        if not 6 <= len(row) <= 8:
            raise ValueError('columns')
        time, left, upper, right, lower = map(float, row[1:6])
        if not (0 <= left < right <= 1 and 0 <= upper < lower <= 1 and time >= 0):
            raise ValueError('corners')
        score = float(row[6]) if len(row) > 6 else 1.
        track = row[7] if len(row) > 7 and row[7] else None
        times = self._found.setdefault(row[0], {})
        times.setdefault(time, []).append(Person((left, upper, right, lower), score, track))

    def __call__(self, path: Path, time: float, picture: np.ndarray) -> list[Person]:
        """See :class:`People`."""
        times = self._found.get(path.name) or self._found.get(path.stem) or {}
        nearest = min(times, key=lambda one: abs(one - time), default=None)
        if nearest is None or abs(nearest - time) > self.tolerance:
            return []
        return times[nearest]


class TorchvisionPeople:
    """People by a detector of torchvision trained on COCO.

    Args:
        name: Of the detector, such as ``'fasterrcnn_resnet50_fpn'``.
        weights: File of its weights; nothing is fetched.
        min_score: What is less certain is left out.
        device: Where to compute.

    Raises:
        ValueError: If torchvision has no such detector, or the weights are of another.
    """

    def __init__(self, name: str, weights: str | Path, min_score: float = .8,
                 device: str | torch.device = 'cpu') -> None:
        known = torchvision.models.list_models(module=torchvision.models.detection)
        if name not in known:
            raise ValueError(f'--detector must be a detector of torchvision ({", ".join(known)}) '
                             f'or a config of mmdet, got {name}')
        self.min_score, self.device = min_score, device
        self.model = torchvision.models.get_model(name, weights=None, weights_backbone=None)
        try:
            self.model.load_state_dict(read_state_dict(weights))
        except RuntimeError as error:
            raise ValueError(f'{weights}: must be the weights of torchvision\'s {name}, but are of '
                             'something else; name the right ones') from error
        self.model.to(device).eval()

    @torch.no_grad()
    def __call__(self, path: Path, time: float, picture: np.ndarray) -> list[Person]:
        """See :class:`People`."""
        image = torch.from_numpy(picture).permute(2, 0, 1).to(self.device).float() / 255
        found, = self.model([image])
        rows, columns = picture.shape[:2]
        sizes = image.new_tensor([columns, rows, columns, rows])
        return [
            Person(tuple((box / sizes).clamp(0, 1).tolist()), float(score), None)
            for box, label, score in zip(
                found['boxes'], found['labels'], found['scores'], strict=True)
            if int(label) == _PERSON and score >= self.min_score]


class MMDetPeople:
    """People by a detector of mmdet: its objects of a class of that name.

    Args:
        detector: The detector.
        name: Of the class.
        min_score: What is less certain is left out.

    Raises:
        ValueError: If it has no such class.
    """

    def __init__(self, detector: Detector, name: str = 'person', min_score: float = .8) -> None:
        if name not in (detector.classes or ()):
            raise ValueError(f'--detector must have a class {name}, but has '
                             f'{", ".join(detector.classes or ("none with a name",))}')
        self.detector, self.name, self.min_score = detector, name, min_score

    def __call__(self, path: Path, time: float, picture: np.ndarray) -> list[Person]:
        """See :class:`People`."""
        rows, columns = picture.shape[:2]
        people = []
        for found in self.detector.detections_in(picture, self.min_score):
            left, upper, right, lower = found.box
            if found.name == self.name:
                people.append(Person((left / columns, upper / rows, right / columns, lower / rows),
                                     found.score, None))
        return people
