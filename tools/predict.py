"""Says what is in pictures or videos: the classes of a fine-tuned model with the best scores.

Of a segmentation config: the classes that cover most of a picture. With --out, NAME.png has them in
colours and NAME.labels.png as numbers. Of a detection config: the objects in a picture whose score
is at least --min-score; NAME.png has their boxes and masks, NAME.instances.png masks as numbers.

Inputs are files, folders (everything below) and lists (.txt or .csv: a path a line, perhaps with
a label), as the config reads them: pictures, or videos. They go through the config's own test
pipeline with all of its views. A file that cannot be read is reported, the others are done, and
the exit status is 2.

With --sliding, or of a --camera, windows of a video are classified one after the other, each as
one clip and the centre of the picture. No more than a window is kept in memory.
"""
import argparse
import json
import sys
from pathlib import Path

from mmengine.device import get_device

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import add_config_arguments, device, new_file, read_config
from amd_mm.failures import USER_ERROR, command
from amd_mm.inference import (
    BoxPredictor,
    Classifier,
    Detector,
    MaskPredictor,
    Predictor,
    Segmentor,
    find_files,
    is_detector,
    is_segmentor,
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'fine-tuning config')
    parser.add_argument('checkpoint', help='checkpoint of that fine-tuning')
    parser.add_argument('inputs', nargs='*', metavar='input', help='files, folders, lists')
    parser.add_argument('--camera', metavar='SOURCE',
                        help='number of a webcam, or another source that OpenCV opens; until it '
                        'ends, or Ctrl-C')
    parser.add_argument('--classes', metavar='FILE',
                        help="names, one a line (default: the checkpoint's or the data set's)")
    parser.add_argument('--top-k', type=int, default=5)
    parser.add_argument('--min-score', type=float, default=.5,
                        help='of an object, of a detection config (default 0.5)')
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write all of it there')
    parser.add_argument('--out', type=Path, metavar='FOLDER',
                        help='also write pictures or videos with the result on them')
    parser.add_argument('--sliding', action='store_true', help='window after window of videos')
    parser.add_argument('--window', type=float, metavar='SECONDS',
                        help="of a window (default: the config's frames at its interval)")
    parser.add_argument('--stride', type=float, metavar='SECONDS',
                        help='from window to window (default: half a window)')
    parser.add_argument('--seconds', type=float, help='of the camera at most')
    parser.add_argument('--root', help="where paths in lists start (default: the list's folder)")
    parser.add_argument('--device', type=device, default=get_device())
    args = parser.parse_args()
    if bool(args.inputs) == (args.camera is not None):
        parser.error('name inputs or a --camera, one of the two')
    for name in ('top_k', 'window', 'stride', 'seconds'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")} must be above 0, got {value}')
    if not 0 <= args.min_score <= 1:
        parser.error(f'--min-score must be in [0, 1], got {args.min_score}')
    return args


def prepare(args: argparse.Namespace) -> Predictor | MaskPredictor | BoxPredictor:
    config = read_config(args)
    model: Classifier | Segmentor | Detector
    if is_segmentor(config) or is_detector(config):
        kind = Segmentor if is_segmentor(config) else Detector
        model = kind(config, args.checkpoint, args.classes, args.device)
        is_video = False
    else:
        model = Classifier(config, args.checkpoint, args.classes, args.device)
        is_video = model.is_video
    if not is_video and (args.sliding or args.camera is not None):
        raise ValueError('--sliding and --camera need a config of videos, this one is of pictures')
    if isinstance(model, Segmentor):
        return MaskPredictor(model, args.top_k, args.out)
    if isinstance(model, Detector):
        return BoxPredictor(model, args.min_score, args.top_k, args.out)
    return Predictor(model, args.top_k, args.out, args.window, args.stride)


def predict(predictor: Predictor | MaskPredictor | BoxPredictor, args: argparse.Namespace) -> int:
    """Go through the inputs; return how many could not be read."""
    if args.camera is not None:
        predictor.camera(args.camera, args.seconds)
        return 0
    is_video = isinstance(predictor, Predictor) and predictor.classifier.is_video
    files = find_files(args.inputs, is_video, args.root)
    failed = 0
    for path in files:
        try:
            (predictor.sliding if args.sliding else predictor.one)(path)
        except ValueError as error:
            print(f'error: {error}', file=sys.stderr)
            failed += 1
    if failed:
        print(f'error: {failed} of {len(files)} inputs could not be read.', file=sys.stderr)
    return failed


@command
def main() -> int:
    args = parse_args()
    predictor = prepare(args)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    failed = predict(predictor, args)
    if args.json is not None:
        args.json.write_text(json.dumps(predictor.results, indent=1, ensure_ascii=False), 'utf-8')
    return USER_ERROR if failed else 0


if __name__ == '__main__':
    sys.exit(main())
