"""Draws what a segmentation or detection model makes of pictures, beside what was annotated.

For each picture of the config's test data a strip NAME.png: the picture, its truth and the
prediction in the colours of the classes. Below them, of masks the share of the annotated pixels
that are right, where pixels that do not count stay as they are; of objects how many there are and
how many were found. A file that cannot be read is reported, the others are done, and the exit
status is 2.
"""
import argparse
import sys
from pathlib import Path

from amd_mm.arguments import add_config_arguments, device, number, parse_first
from amd_mm.failures import USER_ERROR, command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'segmentation or detection config')
    parser.add_argument('checkpoint', help='checkpoint of that config')
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--count', type=number(least=1), default=16,
                        help='pictures, evenly spaced in the data (default: 16)')
    parser.add_argument('--min-score', type=number(float, least=0), default=.5,
                        help='of an object that is drawn (default: 0.5)')
    parser.add_argument('--classes', help='file with a name a line, for a checkpoint without names')
    parser.add_argument('--device', type=device, default='auto')
    return parser.parse_args()


parse_first(__name__, parse_args)

import cv2
import numpy as np
import torch
from mmengine.config import Config
from PIL import Image

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.datasets.files import printable
from amd_mm.datasets.mask_check import IGNORED
from amd_mm.datasets.mask_dataset import default_palette
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.inference import Detector, Segmentor, is_detector, is_segmentor
from amd_mm.inference.box_predictor import draw_objects
from amd_mm.inference.predictor import OwnNames
from amd_mm.visualization import draw_strip, paint


class Masks:
    """Draws classes of pixels."""

    def __init__(self, config: Config, args: argparse.Namespace) -> None:
        self.segmentor = Segmentor(config, args.checkpoint, args.classes, args.device)
        self.data = self.segmentor.annotated()

    def panels(self, place: int, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
        truth = self.data.truth(place)
        labels = self.segmentor.labels(self.data.path(place))
        counted = truth != IGNORED
        right = 'no pixel is annotated'
        if counted.any():
            share = 100 * (labels == truth)[counted].mean()
            right = f'{share:.1f} % of the annotated pixels are right'
        palette = self.segmentor.palette
        return paint(picture, truth, palette), paint(picture, labels, palette), right


class Objects:
    """Draws boxes and masks of objects."""

    def __init__(self, config: Config, args: argparse.Namespace) -> None:
        self.detector = Detector(config, args.checkpoint, args.classes, args.device)
        self.data = self.detector.annotated()
        self.min_score = args.min_score
        self.palette = default_palette(self.detector.num_classes + 1)[1:]

    def panels(self, place: int, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
        truth = self.data.truth(place)
        found = self.detector.detections(self.data.path(place), self.min_score)
        said = f'{len(truth)} annotated, {len(found)} found with a score of {self.min_score:g}'
        return (draw_objects(picture, truth, self.palette),
                draw_objects(picture, found, self.palette), said)


def draw(drawer: Masks | Objects, place: int) -> np.ndarray:
    """The strip of one picture."""
    picture = cv2.cvtColor(read_picture(str(drawer.data.path(place))), cv2.COLOR_BGR2RGB)
    annotated, predicted, said = drawer.panels(place, picture)
    views = {name: torch.from_numpy(panel).permute(2, 0, 1)[None] / 255
             for name, panel in dict(picture=picture, annotated=annotated,
                                     predicted=predicted).items()}
    return draw_strip(views, said)


@command
def main() -> int:
    args = parse_args()
    config = read_config(args)
    if is_segmentor(config):
        drawer: Masks | Objects = Masks(config, args)
    elif is_detector(config):
        drawer = Objects(config, args)
    else:
        raise ValueError(
            f'{args.config} must be a segmentation or detection config, whose model has a '
            'decode_head or a roi_head, but has none; name one of configs/segmentation or '
            'configs/detection_coco')
    data = drawer.data
    args.out.mkdir(parents=True, exist_ok=True)
    places = np.linspace(0, len(data) - 1, min(args.count, len(data))).round().astype(int)
    names, failed = OwnNames(), 0
    for place in places.tolist():
        path = data.path(place)
        try:
            strip = draw(drawer, place)
        except ValueError as error:
            print(f'error: {error}', file=sys.stderr)
            failed += 1
            continue
        file = args.out / f'{names(path.stem)}.png'
        Image.fromarray(strip).save(file)
        print(f'{printable(path)} -> {printable(file)}')
    if failed:
        print(f'error: {failed} of {len(places)} inputs could not be read.', file=sys.stderr)
    return USER_ERROR if failed else 0


if __name__ == '__main__':
    sys.exit(main())
