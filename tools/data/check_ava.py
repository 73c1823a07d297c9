"""Checks the annotations of a detection config, for instance before a job is queued.

    python tools/data/check_ava.py configs/detection/RECIPE.py

Training checks the same things when it starts: lines of the annotation files, labels, frames or
videos, proposals. Stops at the first file with faults, which are named with file and line.
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
from amd_mm.registry import DATASETS


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
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        if not all('proposals' in info for info in infos):
            raise ValueError(f'{part}: {args.config} must be a detection config, but its data has '
                             'no proposals; name one of configs/detection')
        videos = {info['video_id'] for info in infos}
        print(f'{part}: {len(infos)} key frames of {len(videos)} videos, '
              f'{sum(len(info["gt_bboxes"]) for info in infos)} boxes, '
              f'{sum(len(info["proposals"]) for info in infos)} proposals, no fault')


if __name__ == '__main__':
    sys.exit(main())
