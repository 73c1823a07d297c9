"""Compares how fast samples come from files, from a shard and from a shard at an address.

    python tools/analysis_tools/benchmark_storage.py --workers 8
    python tools/analysis_tools/benchmark_storage.py --address s3://bucket/benchmark.tar

Makes pictures in a temporary folder (--folder: on the disk that is to be measured), reads them in
shuffled order and prints samples per second, and what that is of files. Files just written are
in the memory of the machine: this measures the way to them, not the disk.
"""
import argparse
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from amd_mm.arguments import number, parse_first
from amd_mm.failures import command


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pictures', type=number(least=2), default=2000)
    parser.add_argument('--size', type=number(least=8), default=256, help='of a picture, in pixels')
    parser.add_argument('--workers', type=number(least=0), default=8)
    parser.add_argument('--folder', help='where the temporary folder is made')
    parser.add_argument('--address', default='memory://benchmark/shard.tar',
                        help='where the shard is put too (default: memory, by fsspec)')
    return parser.parse_args(arguments)


parse_first(__name__, parse_args)

import cv2
import numpy as np
from mmengine.fileio import get_file_backend
from torch.utils.data import DataLoader

from amd_mm.datasets import PictureDataset
from amd_mm.datasets.files import PICTURES
from amd_mm.datasets.shards import index_shard


def make(folder: Path, count: int, size: int) -> dict[str, tuple[Path, Path]]:
    """Pictures as files and in a shard: lists and the folders that they start from, by name."""
    files = folder / 'files'
    files.mkdir()
    generator = np.random.default_rng(0)
    with tarfile.open(folder / 'shard.tar', 'w') as tar:
        for place in range(count):
            # Coarse noise, so that a file has about as many bytes as a photograph.
            coarse = generator.integers(0, 256, (size // 8, size // 8, 3), np.uint8)
            path = files / f'{place:07}.jpg'
            cv2.imwrite(str(path), cv2.resize(coarse, (size, size)))
            tar.add(path, path.name)
    (folder / 'files.txt').write_text(''.join(f'{place:07}.jpg\n' for place in range(count)))
    entries = index_shard(str(folder / 'shard.tar'), PICTURES).entries
    (folder / 'shard.txt').write_text(
        ''.join(f'shard.tar#{entry.offset}+{entry.size}\n' for entry in entries))
    return {'files': (folder / 'files.txt', files), 'shard': (folder / 'shard.txt', folder)}


def samples_per_second(ann_file: Path, prefix: str, workers: int) -> float:
    """How fast a loader hands out all samples once, its workers being there."""
    dataset = PictureDataset(ann_file=str(ann_file), data_prefix=prefix, with_label=False,
                             pipeline=[dict(type='amd_mm.LoadPicture')])
    loader = DataLoader(dataset, batch_size=None, shuffle=True, num_workers=workers,
                        persistent_workers=workers > 0)
    for _ in loader:  # workers start, and what is read is in memory
        pass
    start = time.perf_counter()
    count = sum(1 for _ in loader)
    return count / (time.perf_counter() - start)


@command
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        places = {key: (ann_file, str(prefix)) for key, (ann_file, prefix) in
                  make(folder, args.pictures, args.size).items()}
        start, _, shard = args.address.rpartition('/')
        get_file_backend(args.address).put((folder / 'shard.tar').read_bytes(), args.address)
        text = (folder / 'shard.txt').read_text().replace('shard.tar#', f'{shard}#')
        (folder / 'remote.txt').write_text(text)
        places[args.address] = folder / 'remote.txt', start
        speeds = {key: samples_per_second(*place, args.workers) for key, place in places.items()}
    for key, speed in speeds.items():
        print(f'{key}: {speed:.0f} samples/s, {speed / speeds["files"]:.2f} of files '
              f'({args.workers} workers)')


if __name__ == '__main__':
    sys.exit(main())
