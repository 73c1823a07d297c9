"""Writes the page of a run, or one of several side by side, from what they left in their work dirs.

Of one: the page that the run itself rewrites at every checkpoint, made anew, also after a kill. A
run without a record (its hook was off, or it was made by another program on MMEngine) shows its
curves. Of several, and with --curves: what they logged, in one chart a figure.

Example:
    python tools/report.py work_dirs/amd work_dirs/videomae --out comparison.html
    python tools/report.py work_dirs/amd --curves loss lr --out curves.html
"""
import argparse
import sys
from collections.abc import Sequence

from amd_mm.arguments import existing_folder, new_file
from amd_mm.failures import command

_ENDINGS = ('.html', '.csv')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', type=existing_folder, metavar='WORK_DIR',
                        help='of a run: where its checkpoints and logs are')
    parser.add_argument('--out', type=new_file, metavar='FILE',
                        help='an .html page, or a .csv of the curves (default, of one run: '
                        'report/index.html in its work dir)')
    parser.add_argument('--curves', nargs='+', metavar='NAME',
                        help='only these, as the log names them')
    args = parser.parse_args(argv)
    if args.out is None and (len(args.work_dirs) > 1 or args.curves):
        parser.error('--out must say where the page of several runs, or of curves, goes; write '
                     '--out comparison.html')
    if args.out is not None and args.out.suffix not in _ENDINGS:
        parser.error(f'--out must end in {" or ".join(_ENDINGS)}, got {str(args.out)!r}; rename it')
    return args


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # After the arguments: --help need not wait.
    from amd_mm.report import write_comparison, write_curves, write_report

    if args.out is not None and args.out.suffix == '.csv':
        write_curves(args.work_dirs, args.out, args.curves)
        print(args.out)
    elif len(args.work_dirs) == 1 and not args.curves:
        print(write_report(args.work_dirs[0], args.out))
    else:
        write_comparison(args.work_dirs, args.out, args.curves)
        print(args.out)


if __name__ == '__main__':
    sys.exit(main())
