"""Says what is in pictures or videos: the classes of a fine-tuned model with the best scores.

Inputs are files, folders (everything below) and lists (.txt or .csv: a path a line, perhaps with
a label), as the config reads them: pictures, or videos. They go through the config's own test
pipeline with all of its views. A file that cannot be read is reported, the others are done, and
the exit status is 1.

With --sliding, or of a --camera, windows of a video are classified one after the other, each as
one clip and the centre of the picture. No more than a window is kept in memory.
"""
import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from mmengine.device import get_device
from PIL import Image

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import add_config_arguments, read_config
from amd_mm.inference import (
    Classifier,
    Prediction,
    camera_frames,
    find_files,
    sliding_windows,
    video_frames,
)
from amd_mm.visualization import VideoFile, caption


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
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write all of it there')
    parser.add_argument('--out', type=Path, metavar='FOLDER',
                        help='also write pictures or videos with the result on them')
    parser.add_argument('--sliding', action='store_true', help='window after window of videos')
    parser.add_argument('--window', type=float, metavar='SECONDS',
                        help="of a window (default: the config's frames at its interval)")
    parser.add_argument('--stride', type=float, metavar='SECONDS',
                        help='from window to window (default: half a window)')
    parser.add_argument('--seconds', type=float, help='of the camera at most')
    parser.add_argument('--root', help="where paths in lists start (default: the list's folder)")
    parser.add_argument('--device', default=get_device())
    args = parser.parse_args()
    if bool(args.inputs) == (args.camera is not None):
        parser.error('name inputs or a --camera, one of the two')
    for name in ('top_k', 'window', 'stride', 'seconds'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")} must be above 0, got {value}')
    return args


def prepare(args: argparse.Namespace) -> Classifier:
    config = read_config(args)
    classifier = Classifier(config, args.checkpoint, args.classes, args.device)
    if not classifier.is_video and (args.sliding or args.camera is not None):
        raise ValueError('--sliding and --camera need a config of videos, this one is of pictures')
    return classifier


def lines_of(predictions: Sequence[Prediction]) -> list[str]:
    """One line a class, its name or, where none is known, its number."""
    return [f'{score:.3f}  {f"class {label}" if name is None else name}'
            for label, name, score in predictions]


class Predictor:
    """Predicts, prints, draws and remembers.

    Args:
        classifier: The model.
        args: Of the command line.
    """

    def __init__(self, classifier: Classifier, args: argparse.Namespace) -> None:
        self.classifier, self.args = classifier, args
        self.results: list[dict] = []
        self._names: Counter[str] = Counter()

    def one(self, path: Path) -> None:
        """A picture or a video as a whole."""
        predictions = self._top(self.classifier.scores(path))
        print(path, *lines_of(predictions), sep='\n  ')
        self.results.append(dict(
            input=str(path), predictions=[found._asdict() for found in predictions]))
        if self.args.out is None:
            return
        if self.classifier.is_video:
            self._draw_video(path, [(0., predictions)])
        else:
            picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
            drawn = caption(picture, lines_of(predictions))
            Image.fromarray(drawn).save(self._name(path.stem, '.png'))

    def sliding(self, path: Path) -> None:
        """A video window by window."""
        fps, frames = video_frames(path)
        print(path)
        shown = [(middle, found) for middle, found in self._windows(str(path), frames, fps)]
        if self.args.out is not None:
            self._draw_video(path, shown)

    def camera(self) -> None:
        """A camera window by window; a frame shows the newest window that ended before it."""
        fps, frames = camera_frames(self.args.camera)
        if self.args.seconds is not None:
            frames = islice(frames, max(1, round(self.args.seconds * fps)))
        newest: list[str] = []
        try:
            if self.args.out is None:
                for _ in self._windows(self.args.camera, frames, fps):
                    pass
                return
            with VideoFile(self._name('camera', '.mp4'), fps) as file:
                def recorded() -> Iterator[np.ndarray]:
                    for frame in frames:
                        file.write(caption(frame, newest))
                        yield frame

                for _, predictions in self._windows(self.args.camera, recorded(), fps):
                    newest[:] = lines_of(predictions)
        except KeyboardInterrupt:
            print('stopped')

    def _windows(self, name: str, frames: Iterator[np.ndarray],
                 fps: float) -> Iterator[tuple[float, list[Prediction]]]:
        """The frame in the middle of each window, and what is in it."""
        length = (self.classifier.window_length(fps) if self.args.window is None
                  else max(1, round(self.args.window * fps)))
        stride = (max(1, length // 2) if self.args.stride is None
                  else max(1, round(self.args.stride * fps)))
        windows: list[dict] = []
        self.results.append(dict(input=name, windows=windows))
        for start, end, some in sliding_windows(frames, length, stride):
            predictions = self._top(self.classifier.window_scores(some))
            best, *_ = lines_of(predictions)
            print(f'  {start / fps:8.2f} - {end / fps:.2f} s  {best}', flush=True)
            windows.append(dict(start=start / fps, end=end / fps,
                                predictions=[found._asdict() for found in predictions]))
            yield (start + end) / 2, predictions

    def _top(self, scores: Sequence[float]) -> list[Prediction]:
        return self.classifier.top(scores, self.args.top_k)

    def _draw_video(self, path: Path, shown: list[tuple[float, list[Prediction]]]) -> None:
        """Each frame with the window whose middle is nearest."""
        fps, frames = video_frames(path)
        with VideoFile(self._name(path.stem, '.mp4'), fps) as file:
            for number, frame in enumerate(frames):
                _, predictions = min(shown, key=lambda one: abs(one[0] - number - .5))
                file.write(caption(frame, lines_of(predictions)))

    def _name(self, stem: str, ending: str) -> Path:
        """A file of its own, also for files of the same name in several folders."""
        self._names[stem] += 1
        number = f'-{self._names[stem]}' if self._names[stem] > 1 else ''
        return self.args.out / f'{stem}{number}{ending}'


def predict(predictor: Predictor, args: argparse.Namespace) -> int:
    """Go through the inputs; return how many could not be read."""
    if args.camera is not None:
        predictor.camera()
        return 0
    files = find_files(args.inputs, predictor.classifier.is_video, args.root)
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


def main() -> int:
    args = parse_args()
    try:
        predictor = Predictor(prepare(args), args)
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
        failed = predict(predictor, args)
    except (ValueError, FileNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if args.json is not None:
        args.json.write_text(json.dumps(predictor.results, indent=1, ensure_ascii=False))
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
