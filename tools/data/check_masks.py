"""Checks the masks of a segmentation config, for instance before a job is queued.

    python tools/data/check_masks.py configs/segmentation/RECIPE.py

Training checks the same things when it starts: that every picture can be opened and has a mask of
its size, and that labels are classes. All faults of a part are counted, and five of each kind
named. Pixels of each class are printed, in percent.
"""
import argparse
import sys

from amd_mm.arguments import add_config_arguments, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'config file')
    return parser.parse_args()


parse_first(__name__, parse_args)

from amd_mm.command_line import read_config
from amd_mm.datasets import MaskCounts, check_masks
from amd_mm.datasets.mask_check import has_masks
from amd_mm.registry import DATASETS


def report(part: str, counts: MaskCounts, classes: tuple[str, ...]) -> None:
    known = counts.pixels.sum()
    print(f'{part}: {counts.samples} pictures, {counts.samples - counts.blank} with a class in '
          f'their mask; {100 * counts.ignored / (known + counts.ignored):.1f} % of all pixels do '
          'not count; no fault')
    for name, pixels in zip(classes, counts.pixels.tolist(), strict=True):
        print(f'  {100 * pixels / max(1, known):6.2f} %  {name}')


@command
def main() -> None:
    args = parse_args()
    cfg = read_config(args)
    for part in ('train', 'val', 'test'):
        config = cfg[f'{part}_dataloader'].dataset
        try:
            dataset = DATASETS.build(dict(config, pipeline=[]))
        except (ValueError, OSError) as error:
            raise ValueError(f'{part}: {error}') from error
        if not has_masks(dataset):
            raise ValueError(f'{part}: {args.config} must be a segmentation config, but its data '
                             'has no masks; name one of configs/segmentation')
        classes = dataset.metainfo['classes']
        report(part, check_masks(dataset, len(classes), part), classes)


if __name__ == '__main__':
    sys.exit(main())
