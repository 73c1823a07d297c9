"""Times the loading of a config's training data by stage, and names the stage that holds it back.

One process and one thread load single samples, with each video decoder in turn and nothing else
changed; with --workers, the config's whole data loader runs besides. The memory that loading
holds on to is measured on the way: --samples 10000 shows a decoder that leaks.

Stages: open (and number the frames), seek (until the first asked frame is there), decode (the
others), crop, resize, pack (everything else).

Example:
    python tools/analysis_tools/benchmark_loader.py \
        configs/amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py --workers 8 \
        --cfg-options train_dataloader.dataset.dataset.data_prefix.video=data/videos \
        train_dataloader.dataset.dataset.ann_file=
"""
import argparse
import copy
import json
import multiprocessing
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable

from amd_mm.arguments import add_config_arguments, new_file, parse_first
from amd_mm.failures import command

DECODERS = dict(
    pyav=('amd_mm.PyAVInit', 'amd_mm.PyAVDecode'),
    decord=('amd_mm.DecordInit', 'amd_mm.DecordDecode'),
    opencv=('amd_mm.OpenCVInit', 'amd_mm.OpenCVDecode'))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'a config whose training data is an amd_mm.KeyedDataset')
    parser.add_argument('--samples', type=int, default=100, help='timed samples (default 100)')
    parser.add_argument('--workers', type=int, default=0,
                        help="also time the config's data loader with so many workers")
    parser.add_argument('--decoders', nargs='+', choices=list(DECODERS), default=list(DECODERS))
    parser.add_argument('--json', type=new_file, help='write the numbers to this file as well')
    args = parser.parse_args()
    if args.samples < 1 or args.workers < 0:
        parser.error(f'there must be at least 1 sample and no fewer than 0 workers, got '
                     f'{args.samples} and {args.workers}')
    return args


parse_first(__name__, parse_args)

import cv2
import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.runner import Runner

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.datasets import KeyedDataset
from amd_mm.keys import Sample
from amd_mm.registry import DATASETS

# The first word that is part of a transform's name; pack is all that has none.
STAGES = dict(Init='open', Decode='decode', Load='decode', Crop='crop', Resize='resize')
ADVICE = dict(
    open='videos are long or many to a file: cut them, or prepare them',
    seek='key frames are far apart: prepare the videos (tools/data/prepare_videos.py)',
    decode='prepare the videos (tools/data/prepare_videos.py), or more num_workers',
    crop='prepare the videos with a smaller --short-side',
    resize='more num_workers',
    pack='more num_workers, or fewer transforms')
STAGE_ORDER = ('open', 'seek', 'decode', 'crop', 'resize', 'pack')
# ru_maxrss is in bytes on macOS, in KiB elsewhere.
RSS_UNIT = 1 if sys.platform == 'darwin' else 1024


class Timed:
    """A transform that adds its seconds to those of its stage."""

    def __init__(self, transform: Callable, seconds: dict[str, float]) -> None:
        self.transform = transform
        self.seconds = seconds
        name = type(transform).__name__
        self.stage = next((stage for word, stage in STAGES.items() if word in name), 'pack')

    def __call__(self, results: dict) -> dict | None:
        start = time.perf_counter()
        results = self.transform(results)
        self.seconds[self.stage] += time.perf_counter() - start
        return results


def swap_decoder(config: dict, decoder: str) -> dict:
    """A data set's config that opens and decodes videos with another decoder; or as it does.

    Without a time limit, which takes loading out of the process that is measured.
    """
    config = copy.deepcopy(config)
    config['time_limit'] = None
    if decoder in DECODERS:
        pipeline = config['dataset']['pipeline']
        pipeline[0], pipeline[-1] = (dict(type=name) for name in DECODERS[decoder])
    return config


def measure(config: dict, samples: int) -> dict:
    """Load single samples of a data set.

    Returns:
        Clips a second, seconds a sample by stage and in all, bytes that the process grew by.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    dataset = DATASETS.build(config)
    seek = seek_share(dataset, min(samples, 50))
    seconds: dict[str, float] = defaultdict(float)
    for pipeline in (dataset.dataset.pipeline, dataset.pipeline):
        pipeline.transforms = [Timed(step, seconds) for step in pipeline.transforms]
    warm_up, clips = max(samples // 10, 2), 0
    for number in range(warm_up + samples):
        if number == warm_up:
            seconds.clear()
            memory, start = peak_memory(), time.perf_counter()
        repeats = dataset[Sample(0, number, number % len(dataset))]
        clips += len(repeats) if number >= warm_up else 0
    total = time.perf_counter() - start
    if seek:
        seconds['seek'] = seek * seconds['decode']
        seconds['decode'] -= seconds['seek']
    return dict(
        clips_per_second=clips / total, seconds_a_sample=total / samples,
        seconds_by_stage={stage: seconds[stage] / samples for stage in STAGE_ORDER
                          if stage in seconds},
        memory_growth=peak_memory() - memory)


def seek_share(dataset: KeyedDataset, samples: int) -> float:
    """The part of decoding a clip that goes by until its first frame is there; 0 without videos."""
    transforms = dataset.dataset.pipeline.transforms
    if Timed(transforms[0], {}).stage != 'open':
        return 0.
    opener, *others, reader = transforms
    spent = np.zeros(2)
    for number in range(samples):
        for which, end in enumerate((1, None)):
            np.random.seed(number)
            results = opener(dataset.get_data_info(number % len(dataset)))
            for transform in others:
                results = transform(results)
            results['frame_inds'] = np.sort(results['frame_inds'])[:end]
            start = time.perf_counter()
            reader(results)
            spent[which] += time.perf_counter() - start
    return min(spent[0] / spent[1], 1.)


def measure_apart(config: dict, samples: int) -> dict:
    """:func:`measure` in a process of its own, whose memory tells of nothing else."""
    with multiprocessing.get_context('fork').Pool(1) as pool:
        return pool.apply(measure, (config, samples))


def measure_loader(config: dict, workers: int, samples: int) -> float:
    """Clips a second that the config's data loader hands over, its first batches left out."""
    config = copy.deepcopy(config)
    config.update(num_workers=workers, persistent_workers=True)
    loader = Runner.build_dataloader(config, seed=0)
    # What the workers have ready when the first batch is taken would count as nothing.
    ahead = 2 * workers + 1
    batches = max(samples // loader.batch_size, 1)
    taken = clips = 0
    while taken < ahead + batches:
        for batch in loader:
            taken += 1
            if taken == ahead:
                start = time.perf_counter()
            elif taken > ahead:
                clips += len(batch['inputs'])
            if taken == ahead + batches:
                break
    return clips / (time.perf_counter() - start)


def peak_memory() -> int:
    """Bytes of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


@command
def main() -> None:
    args = parse_args()
    MMLogger.get_instance('benchmark', log_level='ERROR')
    cfg = read_config(args)
    config = cfg.train_dataloader
    if config.dataset.type != 'amd_mm.KeyedDataset':
        raise ValueError(f'{args.config}: train_dataloader.dataset must be an '
                         f'amd_mm.KeyedDataset, got {config.dataset.type}; wrap it in one')
    own = next((name for name, types in DECODERS.items()
                if types[0] == config.dataset.dataset.pipeline[0].type), 'own')
    # Pictures and extracted frames have one way to be read.
    names = args.decoders if own in DECODERS else ['own']
    results = {name: measure_apart(swap_decoder(config.dataset, name), args.samples)
               for name in names}

    print(f'{args.config}: {args.samples} samples, one process, one thread; milliseconds a sample')
    print(f'{"":10}{"clips/s":>10}' + ''.join(f'{stage:>9}' for stage in STAGE_ORDER)
          + f'{"grew by":>12}')
    for name, found in results.items():
        stages = ''.join(f'{1e3 * found["seconds_by_stage"].get(stage, 0):9.1f}'
                         for stage in STAGE_ORDER)
        print(f'{name:10}{found["clips_per_second"]:10.1f}{stages}'
              f'{found["memory_growth"] / 2**20:8.1f} MiB')
    mine = results.get(own) or next(iter(results.values()))
    stage = max(mine['seconds_by_stage'], key=mine['seconds_by_stage'].get)
    share = mine['seconds_by_stage'][stage] / mine['seconds_a_sample']
    print(f'{stage} holds it back, with {100 * share:.0f} % of the time: {ADVICE[stage]}')
    report = dict(config=args.config, samples=args.samples, decoders=results, bottleneck=stage)
    if args.workers:
        rate = measure_loader(config, args.workers, args.samples)
        report['loader'] = dict(workers=args.workers, clips_per_second=rate)
        print(f'data loader, {args.workers} workers: {rate:.1f} clips/s, '
              f'{rate / args.workers / mine["clips_per_second"]:.2f} of a lone process each')
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + '\n')


if __name__ == '__main__':
    sys.exit(main())
