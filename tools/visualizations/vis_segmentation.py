"""Draws what a segmentation model makes of annotated pictures, beside what was annotated.

For each picture of the config's test data a strip NAME.png: the picture, its mask and the
prediction in the colours of the classes, and the share of the annotated pixels that are right.
Pixels that do not count stay as they are. A file that cannot be read is reported, the others are
done, and the exit status is 2.
"""
import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.device import get_device
from PIL import Image

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import add_config_arguments, device, number, read_config
from amd_mm.datasets.files import printable
from amd_mm.datasets.mask_check import IGNORED
from amd_mm.datasets.transforms.pictures import read_picture
from amd_mm.failures import USER_ERROR, command
from amd_mm.inference import Segmentor, is_segmentor
from amd_mm.inference.predictor import OwnNames
from amd_mm.visualization import draw_strip, paint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'segmentation config')
    parser.add_argument('checkpoint', help='checkpoint of that config')
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--count', type=number(least=1), default=16,
                        help='pictures, evenly spaced in the data (default: 16)')
    parser.add_argument('--device', type=device, default=get_device())
    return parser.parse_args()


def draw(path: Path, truth: np.ndarray, labels: np.ndarray, segmentor: Segmentor) -> np.ndarray:
    """The strip of one picture."""
    picture = cv2.cvtColor(read_picture(str(path)), cv2.COLOR_BGR2RGB)
    counted = truth != IGNORED
    panels = dict(picture=picture, annotated=paint(picture, truth, segmentor.palette),
                  predicted=paint(picture, labels, segmentor.palette))
    views = {name: torch.from_numpy(panel).permute(2, 0, 1)[None] / 255
             for name, panel in panels.items()}
    right = 'no pixel is annotated'
    if counted.any():
        right = f'{100 * (labels == truth)[counted].mean():.1f} % of the annotated pixels are right'
    return draw_strip(views, right)


@command
def main() -> int:
    args = parse_args()
    config = read_config(args)
    if not is_segmentor(config):
        raise ValueError(f'{args.config} must be a segmentation config, whose model has a '
                         'decode_head, but has none; name one of configs/segmentation')
    segmentor = Segmentor(config, args.checkpoint, None, args.device)
    data = segmentor.annotated()
    args.out.mkdir(parents=True, exist_ok=True)
    places = np.linspace(0, len(data) - 1, min(args.count, len(data))).round().astype(int)
    names, failed = OwnNames(), 0
    for place in places.tolist():
        path = data.path(place)
        try:
            strip = draw(path, data.truth(place), segmentor.labels(path), segmentor)
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
