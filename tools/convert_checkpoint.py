"""Converts a checkpoint between layouts, exactly or not at all.

Example:
    python tools/convert_checkpoint.py videomae_vit-l.pth teacher.pth --part encoder
    python tools/convert_checkpoint.py work_dirs/amd/epoch_200.pth student/ --to transformers \
        --part encoder
"""
import argparse
import signal
import sys

from amd_mm.arguments import number, parse_first
from amd_mm.failures import command

COUNT = number(least=1)
# What amd_mm.checkpoints calls them; its import takes seconds.
LAYOUTS = ('amd_mm', 'mmpretrain', 'mmaction2', 'videomae', 'mae', 'timm', 'transformers')
TABLES = ('sequence', 'space-time')


def pixels(text: str) -> tuple[int, int]:
    """``'224'`` or ``'128x224'`` as (rows, columns)."""
    rows, _, columns = text.partition('x')
    return int(rows), int(columns or rows)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='SRC', help='checkpoint file or Transformers folder')
    parser.add_argument('destination', metavar='DST', help='file, or folder for transformers')
    parser.add_argument('--from', dest='from_', choices=LAYOUTS,
                        help='layout of SRC (default: found from the keys)')
    parser.add_argument('--to', choices=(*LAYOUTS, 'onnx'), default='amd_mm', help='layout of DST')
    parser.add_argument('--part', choices=('encoder', 'all'), default='all',
                        help='leave decoder, neck and head behind, or take everything')
    parser.add_argument('--dry-run', action='store_true', help='report, write nothing')
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')
    parser.add_argument('--trust', action='store_true',
                        help='unpickle arbitrary classes: runs code from SRC')
    parser.add_argument('--num-frames', type=COUNT, help='interpolate positions for these frames')
    parser.add_argument('--img-size', type=pixels, metavar='SIDE or ROWSxCOLUMNS',
                        help='interpolate positions for these pixels')
    parser.add_argument('--tubelet', type=COUNT, help='interpolate for these frames a token')
    parser.add_argument('--source-frames', type=COUNT,
                        help='frames SRC was trained with, where it does not say (usually 16)')
    parser.add_argument('--source-size', type=pixels, metavar='SIDE or ROWSxCOLUMNS',
                        help='pixels SRC was trained with, where it does not say (usually 224)')
    parser.add_argument('--num-heads', type=COUNT, help='attention heads, where SRC does not say')
    parser.add_argument('--decoder-heads', type=COUNT, help="the decoder's heads, likewise")
    parser.add_argument('--positions', choices=TABLES,
                        help="fixed table of SRC's clips, where SRC neither holds it nor says so: "
                             "VideoMAE's or MVD's")
    return parser.parse_args()


parse_first(__name__, parse_args)

from amd_mm.export.convert import Options, report
from amd_mm.export.files import convert_checkpoint


@command
def main() -> None:
    args = parse_args()
    # So that being told to stop cleans up as an interruption does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = Options(
        target=args.to, source=args.from_, part=args.part, num_frames=args.num_frames,
        img_size=args.img_size, tubelet=args.tubelet, source_frames=args.source_frames,
        source_size=args.source_size, num_heads=args.num_heads,
        decoder_heads=args.decoder_heads, positions=args.positions)
    result = convert_checkpoint(args.source, args.destination, options, dry_run=args.dry_run,
                                force=args.force, trust=args.trust)
    print('\n'.join(report(result)))
    print('dry run: nothing written' if args.dry_run else f'written: {args.destination}')


if __name__ == '__main__':
    sys.exit(main())
