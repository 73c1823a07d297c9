"""Writes an encoder's features of pictures or videos into one file.

Nothing is masked and nothing is random: the same command gives the same bytes. Inputs are files,
folders (everything below) and lists (.txt or .csv: a path a line, perhaps with a label), resized
and cropped in the middle; of a video the middle frames are taken. A command that was interrupted
goes on when it is given again. A file that cannot be read is reported, the others are done, and
the exit status is 2.

Read the file with amd_mm.inference.read_features(FILE), or an .npz with numpy.load.

With --sliding, each video gives the features of windows that slide over it, with their times: read
them with amd_mm.inference.read_windows(FILE).
"""
import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from amd_mm.arguments import add_config_arguments, device, number, parse_first
from amd_mm.failures import USER_ERROR, command

# amd_mm.inference has them; its import takes seconds.
POOLS = ('mean', 'cls', 'none')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'pre-training or fine-tuning config')
    parser.add_argument('checkpoint', help='checkpoint that fits its encoder')
    parser.add_argument('inputs', nargs='+', metavar='input', help='files, folders, lists')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE',
                        help='.npz or .safetensors')
    parser.add_argument('--layer', type=number(least=1), metavar='N',
                        help='raw output of block N, counted from 1 (default: after the last '
                        "block and the encoder's own norms)")
    parser.add_argument('--pool', choices=POOLS,
                        help='mean of the tokens, class token, or none: every token (default: as '
                        "the config's encoder does it)")
    parser.add_argument('--frame-interval', type=int,
                        help="from one frame of a clip to the next (default: the config's)")
    parser.add_argument('--sliding', action='store_true', help='window after window of videos')
    parser.add_argument('--window', type=number(float, above=0), metavar='SECONDS',
                        help='of a window (default: the frames of a clip at its interval)')
    parser.add_argument('--stride', type=number(float, above=0), metavar='SECONDS',
                        help='from window to window (default: half a window)')
    parser.add_argument('--root', help="where paths in lists start (default: the list's folder)")
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--workers', type=int, default=0,
                        help='processes that read inputs (default: 0, none beside this one)')
    parser.add_argument('--device', type=device, default='auto',
                        help='default: the accelerator, else the CPU')
    parser.add_argument('--force', action='store_true', help='replace FILE')
    args = parser.parse_args()
    for name, least in (('frame_interval', 1), ('batch_size', 1), ('workers', 0)):
        if getattr(args, name) is not None and getattr(args, name) < least:
            parser.error(f'--{name.replace("_", "-")} must be at least {least}, got '
                         f'{getattr(args, name)}')
    return args


parse_first(__name__, parse_args)

import numpy as np
import torch
from mmengine.utils import track_iter_progress
from torch.utils.data import DataLoader, Dataset

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.datasets.files import printable
from amd_mm.datasets.keyed_dataset import TIME_LIMIT
from amd_mm.datasets.loading_process import LoadingProcess, ProcessLost
from amd_mm.inference import (
    Cut,
    FeatureExtractor,
    FeatureFile,
    Input,
    Journal,
    Line,
    WindowFeatures,
    WindowRun,
    check_features,
    digest,
    find_files,
    frame_interval_of,
    read_clip,
    read_image,
    write_windows,
)
from amd_mm.tokens import TokenGrid


class Files(Dataset):
    """Each file as an input, or the sentence that says why it cannot be read.

    Files are read in a process that they may crash, and may hang for a minute.
    """

    def __init__(self, paths: Sequence[Path], grid: TokenGrid, interval: int) -> None:
        self.paths, self.grid, self.interval = paths, grid, interval
        self._process = LoadingProcess(self._load, TIME_LIMIT)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Input | str:
        try:
            return self._process(index)
        except ProcessLost as error:
            return f'{printable(self.paths[index])}: must be a file that can be read, but: {error}'

    def _load(self, index: int) -> Input | str:
        path = self.paths[index]
        try:
            if self.grid.is_video:
                return read_clip(path, self.grid.input_size, self.interval)
            return read_image(path, self.grid.input_size)
        except ValueError as error:
            return str(error)


def same_every_time() -> None:
    """Operators that give the same bits in every run, on an accelerator too."""
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def prepare(args: argparse.Namespace) -> tuple[FeatureExtractor, Files, dict]:
    """What extracts, from what, and the settings that the features depend on."""
    config = read_config(args)
    extractor = FeatureExtractor(config, args.checkpoint, args.layer, args.pool, args.device)
    grid = extractor.grid
    if args.sliding and not grid.is_video:
        raise ValueError('--sliding needs a config of videos, this one is of pictures')
    interval = args.frame_interval or frame_interval_of(
        [config.get('test_dataloader'), config.get('train_dataloader')])
    paths = find_files(args.inputs, grid.is_video, args.root)
    settings = dict(
        checkpoint=args.checkpoint, sha256=digest(args.checkpoint), encoder=extractor.description,
        input_size=grid.input_size, frame_interval=interval if grid.is_video else None,
        layer=args.layer, pool=extractor.pool, batch_size=args.batch_size,
        device=torch.device(args.device).type)
    return extractor, Files(paths, grid, interval), settings


def slide(extractor: FeatureExtractor, files: Files, settings: dict,
          args: argparse.Namespace) -> int:
    """Extract window by window; return how many videos could not be read."""
    out = check_features(args.out, args.force)
    cut = Cut(args.window, args.stride)
    settings = dict(settings, window=args.window, stride=args.stride)
    paths = list(map(str, files.paths))
    network = WindowFeatures(extractor, files.interval)
    journal = Journal(out.with_name(f'{out.name}.partial'), network.window_shape,
                      dict(settings, paths=paths))
    run = WindowRun(network, cut, args.batch_size, journal, Line(files.paths))
    for place in run(files.paths):
        end = journal.ends[place]
        if end.error is not None:
            print(f'error: {end.error}', file=sys.stderr)
        for note in end.notes:
            print(f'{printable(paths[place])}: {note}')
    count = write_windows(out, journal, paths, settings)
    failed = sum(end.error is not None for end in journal.ends)
    journal.discard()
    if count:
        print(f'{count} windows of {len(paths) - failed} videos x {extractor.shape} -> {args.out}')
    return failed


def extract(extractor: FeatureExtractor, files: Files, settings: dict,
            args: argparse.Namespace) -> int:
    """Extract what is not in the file yet, batch by batch; return how many could not be read."""
    file = FeatureFile(args.out, list(map(str, files.paths)), extractor.shape, settings, args.force)
    if file.done:
        print(f'{file.done} of {len(files)} inputs were done before')
    # Batches are cut by number, whatever can be read: arithmetic depends on the batch.
    loader = DataLoader(files, args.batch_size, sampler=range(file.done, len(files)),
                        num_workers=args.workers, collate_fn=list)
    for batch in track_iter_progress((loader, len(loader))):
        items = []
        for path, item in zip(files.paths[file.done:], batch, strict=False):
            if isinstance(item, str):
                print(f'error: {item}', file=sys.stderr)
                continue
            items.append(item)
            for note in item.notes:
                print(f'{printable(path)}: {note}')
        features = iter(extractor(items).numpy() if items else np.empty(0))
        file.add([None if isinstance(item, str) else next(features) for item in batch])
    failed = len(file.failed)
    if failed == len(files):
        file.discard()
    else:
        file.close()
        print(f'{len(files) - failed} x {extractor.shape} -> {args.out}')
    return failed


@command
def main() -> int:
    args = parse_args()
    same_every_time()
    extractor, files, settings = prepare(args)
    failed = (slide if args.sliding else extract)(extractor, files, settings, args)
    if failed:
        print(f'error: {failed} of {len(files)} inputs could not be read.', file=sys.stderr)
    return USER_ERROR if failed else 0


if __name__ == '__main__':
    sys.exit(main())
