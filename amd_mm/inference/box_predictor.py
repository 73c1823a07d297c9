"""Objects in pictures: said, drawn and kept."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from amd_mm.datasets.files import printable
from amd_mm.datasets.mask_dataset import default_palette
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference.detector import Detection, Detector
from amd_mm.inference.predictor import OwnNames
from amd_mm.visualization import draw_boxes, paint


class BoxPredictor:
    """Detects, says, draws and remembers.

    Args:
        detector: The model.
        min_score: Of an object, in [0, 1].
        top_k: How many of the best objects to name, at least 1; all are drawn and kept.
        out: Folder for ``NAME.png``, the picture with boxes and masks in the colours of classes,
            and, where there are masks, ``NAME.instances.png``: 0, or the number of the object from
            1 on, the best one where some overlap. None writes nothing.

    Attributes:
        results: What was predicted so far, as JSON: an entry an input.
    """

    def __init__(self, detector: Detector, min_score: float = .5, top_k: int = 5,
                 out: Path | None = None) -> None:
        self.detector, self.min_score, self.top_k, self.out = detector, min_score, top_k, out
        # 0 is black, the colour of a background.
        self.palette = default_palette(detector.num_classes + 1)[1:]
        self.results: list[dict] = []
        self._names = OwnNames()

    def one(self, path: Path) -> None:
        """A picture."""
        objects = self.detector.detections(path, self.min_score)
        more = len(objects) - self.top_k
        print(printable(path), *map(_line, objects[:self.top_k]),
              *([f'and {more} more'] if more > 0 else []), sep='\n  ')
        self.results.append(dict(input=printable(path), objects=[
            {key: value for key, value in found._asdict().items() if key != 'mask'}
            for found in objects]))
        if self.out is None:
            return
        picture = cv2.cvtColor(read_picture(str(path)), cv2.COLOR_BGR2RGB)
        name = self.out / self._names(path.stem)
        if any(found.mask is not None for found in objects):
            Image.fromarray(_numbered(objects, picture.shape[:2])).save(f'{name}.instances.png')
        Image.fromarray(draw_objects(picture, objects, self.palette)).save(f'{name}.png')


def draw_objects(picture: np.ndarray, objects: Sequence[Detection],
                 palette: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """The picture with boxes and masks, the best object over the others.

    Args:
        picture: (H, W, 3) uint8, RGB.
        objects: Best first.
        palette: A colour a class.
    """
    if not objects:
        return picture
    colours = [palette[found.label] for found in objects]
    numbers = _numbered(objects, picture.shape[:2])
    painted = paint(picture, numbers.astype(int) - 1, colours)
    return draw_boxes(painted, [found.box for found in objects],
                      [_title(found) for found in objects], colours)


def _numbered(objects: Sequence[Detection], size: tuple[int, int]) -> np.ndarray:
    numbers = np.zeros(size, np.uint16)
    # The best one last, over the others.
    for number, found in reversed(list(enumerate(objects, start=1))):
        if found.mask is not None:
            numbers[found.mask] = number
    return numbers


def _title(found: Detection) -> str:
    name = f'class {found.label}' if found.name is None else found.name
    return f'{name} {found.score:.2f}'


def _line(found: Detection) -> str:
    name = f'class {found.label}' if found.name is None else found.name
    return f'{found.score:.3f}  {name}  {", ".join(f"{edge:.1f}" for edge in found.box)}'
