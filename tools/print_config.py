"""Prints what a config resolves to, a setting a line: bases, edits and our Python defaults.

Example:
    python tools/print_config.py CONFIG
    python tools/print_config.py CONFIG --diff OTHER
    python tools/print_config.py CONFIG --diff CONFIG --cfg-options train_cfg.max_epochs=50
"""
import argparse
import sys

from amd_mm.arguments import add_config_arguments, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'config file')
    parser.add_argument('--diff', metavar='OTHER',
                        help='print only what differs: - as in OTHER, + as in CONFIG')
    return parser.parse_args()


parse_first(__name__, parse_args)

from amd_mm.command_line import read_config, read_config_file
from amd_mm.resolved_config import difference, page


@command
def main() -> None:
    args = parse_args()
    cfg = read_config(args)
    if args.diff is None:
        print(page(cfg))
    else:
        print(difference(read_config_file(args.diff), cfg) or 'no setting differs')


if __name__ == '__main__':
    sys.exit(main())
