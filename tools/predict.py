"""Says what is in pictures or videos: the classes of a fine-tuned model with the best scores.

Of a segmentation config: the classes that cover most of a picture. With --out, NAME.png has them in
colours and NAME.labels.png as numbers. Of a detection config: the objects in a picture whose score
is at least --min-score; NAME.png has their boxes and masks, NAME.instances.png masks as numbers.

Inputs are files, folders (everything below) and lists (.txt or .csv: a path a line, perhaps with
a label), as the config reads them: pictures, or videos. They go through the config's own test
pipeline with all of its views. A file that cannot be read is reported, the others are done, and
the exit status is 2.

With --sliding, windows of videos are classified one after the other, each as one clip and the
centre of the picture; no more than a window is kept in memory. With --out, what --write names is
written: predictions.jsonl and predictions.csv of all videos, and of each NAME.srt, NAME.vtt and
NAME.mp4. A command that was interrupted goes on when it is given again, to the same bytes; files
that could not be read are in failed.txt.

A --camera is watched in such windows. Frames for which there is no time are dropped and counted.
"""
import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.device import get_device

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import add_config_arguments, device, new_file, number, read_config
from amd_mm.failures import USER_ERROR, command
from amd_mm.inference import (
    FORMATS,
    BoxPredictor,
    Camera,
    Classifier,
    Cut,
    Detector,
    Journal,
    Line,
    MaskPredictor,
    Predictor,
    Segmentor,
    WindowFiles,
    WindowRun,
    digest,
    find_files,
    is_detector,
    is_segmentor,
    list_failed,
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
    parser.add_argument('--min-score', type=float,
                        help='of an object, of a detection config (default 0.5), or of what '
                        'subtitles and drawn windows show (default 0)')
    parser.add_argument('--write', nargs='+', choices=FORMATS, default=['jsonl'],
                        help='of --sliding, into --out (default: jsonl)')
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write all of it there')
    parser.add_argument('--out', type=Path, metavar='FOLDER',
                        help='also write pictures or videos with the result on them')
    parser.add_argument('--sliding', action='store_true', help='window after window of videos')
    parser.add_argument('--window', type=float, metavar='SECONDS',
                        help="of a window (default: the config's frames at its interval)")
    parser.add_argument('--stride', type=float, metavar='SECONDS',
                        help='from window to window (default: half a window)')
    parser.add_argument('--smooth', type=number(float, least=0), default=0., metavar='SECONDS',
                        help='each window gets the mean of those this near to each other')
    parser.add_argument('--batch-size', type=number(least=1), default=8, help='windows at a time')
    parser.add_argument('--force', action='store_true', help='replace tables of --sliding')
    parser.add_argument('--seconds', type=float, help='of the camera at most')
    parser.add_argument('--time-limit', type=number(float, above=0), default=10.,
                        help='seconds that a camera may send nothing (default 10)')
    parser.add_argument('--root', help="where paths in lists start (default: the list's folder)")
    parser.add_argument('--device', type=device, default=get_device())
    args = parser.parse_args()
    if bool(args.inputs) == (args.camera is not None):
        parser.error('name inputs or a --camera, one of the two')
    for name in ('top_k', 'window', 'stride', 'seconds'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")} must be above 0, got {value}')
    if args.json is not None and (args.sliding or args.camera is not None):
        parser.error('--json is of whole inputs; windows are written with --out FOLDER')
    if args.min_score is not None and not 0 <= args.min_score <= 1:
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
        least = .5 if args.min_score is None else args.min_score
        return BoxPredictor(model, least, args.top_k, args.out)
    return Predictor(model, args.top_k, args.out)


def predict(predictor: Predictor | MaskPredictor | BoxPredictor, args: argparse.Namespace) -> int:
    """Go through the inputs; return how many could not be read."""
    cut = Cut(args.window, args.stride)
    if isinstance(predictor, Predictor) and args.camera is not None:
        camera = Camera(args.camera, args.time_limit)
        predictor.camera(camera, cut, args.smooth, args.seconds)
        return 0
    is_video = isinstance(predictor, Predictor) and predictor.classifier.is_video
    files = find_files(args.inputs, is_video, args.root)
    if isinstance(predictor, Predictor) and args.sliding:
        failed = slide(predictor, cut, files, args)
    else:
        failed = 0
        for path in files:
            try:
                predictor.one(path)
            except ValueError as error:
                print(f'error: {error}', file=sys.stderr)
                failed += 1
    if failed:
        print(f'error: {failed} of {len(files)} inputs could not be read.', file=sys.stderr)
    return failed


def slide(predictor: Predictor, cut: Cut, files: Sequence[Path], args: argparse.Namespace) -> int:
    """Go through videos window by window; return how many could not be read."""
    classifier = predictor.classifier

    def run(folder: Path) -> WindowRun:
        settings = dict(
            files=[str(path) for path in files], sha256=digest(args.checkpoint),
            model=classifier.description,
            cut=cut, batch_size=args.batch_size, device=torch.device(args.device).type)
        journal = Journal(folder, classifier.window_shape, settings)
        return WindowRun(classifier, cut, args.batch_size, journal, Line(files))

    if args.out is None:
        with TemporaryDirectory() as folder:
            return predictor.sliding(files, run(Path(folder)), None, args.smooth)
    to = WindowFiles(args.out, args.write, classifier.top, classifier.classes, args.top_k,
                     args.smooth, args.min_score or 0., args.force)
    windows = run(to.folder / 'windows')
    failed = predictor.sliding(files, windows, to)
    list_failed(args.out / 'failed.txt', windows.journal.ends)
    windows.journal.close()
    to.close()
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
