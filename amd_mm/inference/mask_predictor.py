"""Maps of pictures: said, drawn and kept."""
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from amd_mm.datasets.files import printable
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference.predictor import OwnNames
from amd_mm.inference.segmentor import Segmentor, Share
from amd_mm.visualization import legend, paint


class MaskPredictor:
    """Segments, says, draws and remembers.

    Args:
        segmentor: The model.
        top_k: How many of the largest classes to name, at least 1.
        out: Folder for ``NAME.png``, the picture in the colours of its classes, and
            ``NAME.labels.png``, the classes as grey levels; None writes nothing.

    Attributes:
        results: What was predicted so far, as JSON: an entry an input.
    """

    def __init__(self, segmentor: Segmentor, top_k: int = 5, out: Path | None = None) -> None:
        self.segmentor, self.top_k, self.out = segmentor, top_k, out
        self.results: list[dict] = []
        self._names = OwnNames()

    def one(self, path: Path) -> None:
        """A picture."""
        labels = self.segmentor.labels(path)
        shares = self.segmentor.shares(labels)[:self.top_k]
        print(printable(path), *map(_line, shares), sep='\n  ')
        self.results.append(dict(
            input=printable(path), classes=[share._asdict() for share in shares]))
        if self.out is None:
            return
        palette = self.segmentor.palette
        picture = cv2.cvtColor(read_picture(str(path)), cv2.COLOR_BGR2RGB)
        drawn = legend(paint(picture, labels, palette), [*map(_line, shares)],
                       [palette[share.label] for share in shares])
        name = self.out / self._names(path.stem)
        Image.fromarray(drawn).save(f'{name}.png')
        Image.fromarray(labels.astype(np.uint8)).save(f'{name}.labels.png')


def _line(share: Share) -> str:
    name = f'class {share.label}' if share.name is None else share.name
    return f'{100 * share.share:5.1f} %  {name}'
