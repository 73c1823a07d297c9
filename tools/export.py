"""Exports a checkpoint to a file that needs nothing of OpenMMLab: ONNX, OpenVINO or torch's pt2.

Encoders, classifiers, recognizers and AVA's models, with preprocessing (uint8 RGB in), names of the
classes, sampling and the source's hash. The file is compared with the network on real pictures or
clips, those of --check or --calibrate, and only written if it gives the same.

Decoding, sampling of frames, resizing and cropping stay with the caller; model.json says them.

Example:
    python tools/export.py work_dirs/tuned/epoch_50.pth --to onnx --check videos/ --out student/
    python tools/export.py epoch_50.pth --to onnx --int8 --calibrate videos/ --out student_int8/
"""
import argparse
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from amd_mm.arguments import OptionAction, number
from amd_mm.failures import command


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='file or Transformers folder')
    parser.add_argument('--to', choices=('onnx', 'openvino', 'pt2'), required=True)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write')
    parser.add_argument('--check', metavar='FOLDER',
                        help='real pictures or videos (or a list of them) to compare on (default: '
                        '--calibrate)')
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument('--int8', nargs='?', choices=('static', 'dynamic'), const='static',
                           help='quantised: calibrated on --calibrate, or dynamic')
    precision.add_argument('--bf16', action='store_true', help='bfloat16, of openvino and pt2')
    parser.add_argument('--calibrate', metavar='FOLDER',
                        help='pictures or videos (or a list) that are like those in use')
    parser.add_argument('--labelled', metavar='LIST',
                        help='list of paths with labels, to count right answers of --int8 or '
                        '--bf16 and of float32')
    parser.add_argument('--max-drop', type=number(float, least=0), default=1., metavar='PERCENT',
                        help='of right answers that may be lost (without --labelled: of equal '
                        'decisions); more is refused (default 1)')
    parser.add_argument('--leave-float', nargs='+', default=(), metavar='NAME',
                        help='layers with this in their names are not quantised')
    parser.add_argument('--config', help='that the checkpoint was trained with (default: the one '
                        'inside it)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, default={},
                        help='settings of --config to change: key=value')
    parser.add_argument('--classes', metavar='FILE', help='names, one a line')
    parser.add_argument('--part', choices=('all', 'encoder'), default='all',
                        help='leave the head behind, or take what there is')
    parser.add_argument('--architecture', metavar='NAME',
                        help="timm's name of an encoder in timm's layout")
    parser.add_argument('--size', type=pixels, metavar='ROWSxCOLUMNS',
                        help="of AVA's frames (default: the short side of testing, 4:3)")
    parser.add_argument('--licence', metavar='TEXT', help='of the weights, for the metadata')
    parser.add_argument('--preprocess', choices=('graph', 'json'), default='graph',
                        help='normalise pixels in the file (uint8 in), or say in model.json how '
                        '(float32 in)')
    parser.add_argument('--dynamic-batch', action='store_true', help='batches of any size, not 1')
    parser.add_argument('--opset', type=int, default=17, help='of ONNX (default 17)')
    parser.add_argument('--count', type=number(least=1), default=32,
                        help='inputs to compare and calibrate on at most, evenly over a folder '
                        '(default 32)')
    parser.add_argument('--force', action='store_true', help='replace an export in DIR')
    args = parser.parse_args(argv)
    if args.check is None and args.calibrate is None:
        parser.error('a file is compared on real inputs, but there are none: give --check FOLDER '
                     'with pictures or videos')
    if args.int8 == 'static' and args.calibrate is None:
        parser.error('--int8 must be calibrated on real inputs, but there are none: give '
                     '--calibrate FOLDER, or take --int8 dynamic')
    return args


def pixels(text: str) -> tuple[int, int]:
    """``'256x336'`` as (rows, columns)."""
    found = re.fullmatch('([1-9][0-9]*)x([1-9][0-9]*)', text)
    if found is None:
        raise argparse.ArgumentTypeError(f'must be ROWSxCOLUMNS such as 256x336, got {text!r}')
    return int(found[1]), int(found[2])


def precision_of(args: argparse.Namespace) -> str:
    if args.bf16:
        return 'bfloat16'
    return {None: 'float32', 'static': 'int8', 'dynamic': 'int8-dynamic'}[args.int8]


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # So that being told to stop cleans up as an interruption does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # After the arguments: --help and a wrong one need not wait for torch and the hosts.
    from amd_mm.command_line import read_config
    from amd_mm.deploy import Form, Trial, Wish, export, labelled_files, read_subject, some_files
    from amd_mm.deploy.writers import check_form
    from amd_mm.export.writing import check_destination

    form = Form(args.to, precision_of(args), args.preprocess == 'graph', args.dynamic_batch,
                args.opset)
    check_form(form)
    check_destination(args.out, args.force)
    config = None if args.config is None else read_config(args)
    subject = read_subject(args.checkpoint, Wish(
        config, args.classes, args.part, args.licence, args.architecture, args.size))
    for note in subject.notes:
        print(f'note: {note}')
    files = some_files(args.check or args.calibrate, subject, args.count)
    calibration = [] if args.int8 != 'static' else (
        some_files(args.calibrate, subject, args.count) if args.check else files)
    labelled = [] if args.labelled is None else labelled_files(args.labelled, subject)
    export(subject, form, Trial(files, calibration, labelled, args.max_drop, args.leave_float),
           args.out, args.force)
    print(f'written: {args.out}')


if __name__ == '__main__':
    sys.exit(main())
