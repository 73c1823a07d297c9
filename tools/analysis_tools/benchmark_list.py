"""Measures how long a list of samples takes to read, and what memory it costs.

    python tools/analysis_tools/benchmark_list.py --lines 10000000 --workers 4

Writes a list of videos to a temporary folder (--folder: on the disk that is to be measured), builds
the data set of pre-training from it, draws the order of an epoch, and lets workers of a dataloader
look up samples in that order; nothing is decoded. Memory is that of Linux: RSS of the main process
before and after, and PSS of the workers, which counts what processes share in parts. The list as
the system keeps it, once a machine, is in neither.
"""
import argparse
import itertools
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from amd_mm.command_line import number
from amd_mm.datasets import EpochSampler, KeyedDataset, VideoDataset
from amd_mm.failures import command


def write_list(path: Path, lines: int) -> None:
    """Names as data sets of videos have them."""
    with path.open('w') as file:
        for place in range(lines):
            file.write(f'class_{place % 400:03}/clip_{place:08}_000000.mp4 {place % 400}\n')


def mebibytes(process: int | str, name: str) -> float:
    """Memory of a process: ``'Rss'`` or ``'Pss'``."""
    text = Path(f'/proc/{process}/smaps_rollup').read_text()
    return int(re.search(rf'{name}: +(\d+) kB', text)[1]) / 1024


class LookedUp(KeyedDataset):
    """What is said of samples, instead of the samples."""

    def __getitem__(self, index: Any) -> str:
        return self._path(index.number)


@command
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lines', type=number(least=2), default=10_000_000)
    parser.add_argument('--workers', type=number(least=1), default=4)
    parser.add_argument('--looked-up', type=number(least=1), default=20_000,
                        help='samples that the workers look up')
    parser.add_argument('--folder', help='where the temporary folder is made')
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder, 'train.txt')
        write_list(path, args.lines)
        before, start, used = mebibytes('self', 'Rss'), time.perf_counter(), time.process_time()
        dataset = LookedUp(
            VideoDataset(pipeline=[], ann_file=str(path), data_prefix=dict(video=folder)), [])
        seconds, used = time.perf_counter() - start, time.process_time() - used
        after = mebibytes('self', 'Rss')
        print(f'{args.lines} lines, {path.stat().st_size / 1e6:.1f} MB: {seconds:.1f} s '
              f'({used:.1f} s of one core), {after - before:.0f} MiB more than {before:.0f} MiB')
        start = time.perf_counter()
        loader = DataLoader(dataset, batch_size=1, sampler=EpochSampler(dataset, seed=0),
                            num_workers=args.workers, collate_fn=len)
        batches: Any = iter(loader)
        next(batches)
        print(f'first sample of an epoch: {time.perf_counter() - start:.1f} s')
        start = time.perf_counter()
        count = sum(1 for _ in itertools.islice(batches, min(args.looked_up, args.lines) - 1))
        rate = count / (time.perf_counter() - start)
        workers = [process.pid for process in batches._workers]
        shares = ', '.join(f'{mebibytes(worker, "Pss"):.0f}' for worker in workers)
        print(f'{rate:.0f} samples/s looked up by {args.workers} workers; main process '
              f'{mebibytes(os.getpid(), "Rss"):.0f} MiB (PSS {mebibytes("self", "Pss"):.0f}), '
              f'workers PSS {shares} MiB')


if __name__ == '__main__':
    sys.exit(main())
