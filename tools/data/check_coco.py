"""Checks boxes in COCO's format, for instance before a job is queued.

    python tools/data/check_coco.py configs/detection_coco/RECIPE.py
    python tools/data/check_coco.py ANNOTATIONS.json FOLDER_OF_PICTURES

Of a config, the files of training, validation and test. Looked at are pictures (missing, of another
size than is said), ids (twice), categories (unknown, another order than the class list's) and boxes
(outside of the picture, without area, of no picture). Faults are counted, the first of each kind
named, and the exit status is 2. Pictures without a box are counted and are no fault: training
leaves them out.
"""
import argparse
import sys

from amd_mm.arguments import add_config_arguments, parse_first
from amd_mm.failures import USER_ERROR, command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'config file, or annotations (.json)')
    parser.add_argument('folder', nargs='?', help='of the pictures, where annotations are named')
    args = parser.parse_args()
    if args.config.endswith('.json') != (args.folder is not None):
        parser.error('name a config, or annotations (.json) and the folder of their pictures')
    return args


parse_first(__name__, parse_args)

from amd_mm.command_line import read_config
from amd_mm.datasets.coco_check import check_coco
from amd_mm.datasets.labels import CocoFiles, coco_files


@command
def main() -> int:
    args = parse_args()
    parts = (dict(annotations=[CocoFiles(args.config, args.folder, None)]) if args.folder
             else coco_files(read_config(args)))
    if not parts:
        raise ValueError(f"{args.config}: must be a config with data in COCO's format, got another "
                         'kind; name one of configs/detection_coco')
    failed = 0
    for part, files in ((part, files) for part, several in parts.items() for files in several):
        report = check_coco(*files)
        print(f'{part}: {report.images} pictures, {report.boxes} boxes, {len(report.classes)} '
              f'classes, {len(report.empty)} pictures without a box'
              + (f' ({", ".join(report.empty[:5])}{", ..." if len(report.empty) > 5 else ""})'
                 if report.empty else ''))
        for line in report.lines():
            print(f'error: {files.ann_file}: {line}', file=sys.stderr)
        failed += bool(report.faults)
    return USER_ERROR if failed else 0


if __name__ == '__main__':
    sys.exit(main())
