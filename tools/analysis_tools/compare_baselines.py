"""Prints how much faster, and smaller, this package is than what was released, in one run.

    compare_baselines.py amd             AMD, ViT-L -> ViT-B, 16 x 224 x 224, forward and backward
    compare_baselines.py dmae            DMAE, ViT-L -> ViT-B, 75 % masked, likewise
    compare_baselines.py loader VIDEO    clips a second of one process and one core, 4 repeats

Baselines are in baselines.py; networks, masks, batch and precision are the same on both sides, and
steps of both alternate, so that what else the machine does cancels out. On a GPU the batch is
the largest that the baseline takes, and the largest that we take, without and with
recomputation, and with torch.compile, is measured besides.
"""
import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from amd_mm.arguments import new_file, parse_first
from amd_mm.failures import command

CONFIGS = Path(__file__).parents[2] / 'configs'
RECIPES = dict(
    amd='amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py',
    dmae='dmae/dmae_vit-base-p16_b4096-100e_in1k.py')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=[*RECIPES, 'loader'])
    parser.add_argument('video', nargs='?', help='of the loader')
    parser.add_argument('--prepared', help='the same video as prepare_videos.py leaves it')
    parser.add_argument('--device', choices=['cpu', 'cuda'],
                        help='default: cuda where torch finds a GPU')
    parser.add_argument('--precision', choices=['fp32', 'bf16'],
                        help='default: fp32 on a CPU, bf16 autocast on a GPU')
    parser.add_argument('--batch-size', type=int,
                        help='default: 2 on a CPU, the largest that fits the baseline on a GPU')
    parser.add_argument('--rounds', type=int, default=5,
                        help='timed steps, or seconds of loading, of each (default 5)')
    parser.add_argument('--json', type=new_file, help='write the numbers to this file as well')
    args = parser.parse_args()
    import torch  # --help need not wait for it

    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if (args.what == 'loader') != (args.video is not None):
        parser.error('loader takes a video, the others take none')
    from amd_mm.datasets.files import VIDEOS

    for path in (args.video, args.prepared):
        if path and (not Path(path).is_file() or not VIDEOS.has(Path(path).name)):
            parser.error(f'a video must be a file of one of {", ".join(VIDEOS.suffixes)}, got '
                         f'{path}')
    if args.rounds < 1 or (args.batch_size is not None and args.batch_size < 1):
        parser.error('--rounds and --batch-size must be at least 1, got '
                     f'{args.rounds} and {args.batch_size}')
    if args.device == 'cuda' and args.what != 'loader' and not torch.cuda.is_available():
        parser.error('--device cuda needs a GPU that torch can use, found none')
    args.precision = args.precision or ('bf16' if args.device == 'cuda' else 'fp32')
    return args


parse_first(__name__, parse_args)

import baselines  # beside this file
import cv2
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch import Tensor, nn

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.keys import Sample
from amd_mm.profiling.flops import count_flops, matrix_rate, synchronise
from amd_mm.profiling.trial import trial_inputs, trial_model
from amd_mm.registry import DATASETS

PRECISIONS = dict(fp32=torch.float32, bf16=torch.bfloat16)
# Smallest number of inputs tried on a GPU; others are its multiples.
BATCH_STEP = 8


class Side:
    """A network and its step, forward and backward, on made input.

    Args:
        build: Gives the student, which trains, and the losses of a batch size.
        device: Where.
        precision: float32, or the type of autocast.
    """

    def __init__(self, build: Callable, device: torch.device, precision: torch.dtype) -> None:
        torch.manual_seed(0)
        self.device, self.precision = device, precision
        self.student, self.make_losses = build(device)
        self.losses: Callable[[], dict[str, Tensor]] | None = None

    def set_batch(self, size: int) -> 'Side':
        self.losses = self.make_losses(size)
        return self

    def step(self) -> None:
        with torch.autocast(self.device.type, self.precision,
                            enabled=self.precision != torch.float32):
            loss = sum(self.losses().values())
        loss.backward()
        self.student.zero_grad()

    def seconds(self) -> float:
        synchronise(self.device)
        start = time.perf_counter()
        self.step()
        synchronise(self.device)
        return time.perf_counter() - start

    def fits(self, size: int) -> bool:
        """Whether a step of so many inputs fits the GPU's memory."""
        try:
            self.set_batch(size).step()
            return True
        except torch.OutOfMemoryError:
            return False
        finally:
            self.student.zero_grad()
            torch.cuda.empty_cache()


def ours(what: str, **changes: object) -> Callable:
    """Build the recipe's model; ``changes`` are of its arguments."""
    def build(device: torch.device) -> tuple[nn.Module, Callable]:
        cfg = Config.fromfile(CONFIGS / RECIPES[what])
        compiled = changes.pop('compile', False)
        cfg.model.update(changes)
        model = trial_model(cfg).to(device)
        if compiled:
            model.compile_networks()

        def make_losses(size: int) -> Callable[[], dict[str, Tensor]]:
            images = trial_inputs(model, size, device)
            return lambda: model.loss(images)

        return model, make_losses

    return build


def amd_baseline(device: torch.device) -> tuple[nn.Module, Callable]:
    length, patch = 1568, 16
    student = baselines.AMDStudent(
        dict(dims=768, depth=12, heads=12, taps=(6, 12)), (384, 4, 6), 1024, patch, length)
    teacher = baselines.VideoEncoder(1024, 24, 16, length, patch, taps=(12, 24))
    student, teacher = student.to(device), teacher.to(device)

    def make_losses(size: int) -> Callable[[], dict[str, Tensor]]:
        clips = torch.randn(size, 3, 16, 224, 224, device=device)
        masks = [mask.to(device) for mask in baselines.tube_masks(size, 8, 196)]
        return lambda: baselines.amd_losses(student, teacher, clips, *masks)

    return student, make_losses


def dmae_baseline(device: torch.device) -> tuple[nn.Module, Callable]:
    decoder = (512, 8, 16)
    student = baselines.ImageAutoencoder(
        (768, 12, 12), decoder, 16, 196, tap=9, projected_dims=1024).to(device)
    teacher = baselines.ImageAutoencoder((1024, 24, 16), decoder, 16, 196, tap=18).to(device)

    def make_losses(size: int) -> Callable[[], dict[str, Tensor]]:
        images = torch.randn(size, 3, 224, 224, device=device)
        order = torch.rand(size, 196, device=device).argsort(1)
        keep, restore = order[:, :49], order.argsort(1)
        return lambda: baselines.dmae_losses(student, teacher, images, keep, restore)

    return student, make_losses


BASELINES = dict(amd=amd_baseline, dmae=dmae_baseline)


def trained(student: nn.Module) -> int:
    """Number of weights that train."""
    return sum(weight.numel() for weight in student.parameters() if weight.requires_grad)


def largest_batch(fits: Callable[[int], bool], step: int = BATCH_STEP) -> int:
    """The largest multiple of ``step`` that fits; 0 if not even one does."""
    if not fits(step):
        return 0
    low, high = step, 2 * step
    while fits(high):
        low, high = high, 2 * high
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def on_cpu(args: argparse.Namespace) -> dict:
    """Both networks in memory, their steps in turn."""
    device, precision = torch.device('cpu'), PRECISIONS[args.precision]
    size = 2 if args.batch_size is None else args.batch_size
    sides = [Side(build, device, precision).set_batch(size)
             for build in (BASELINES[args.what], ours(args.what))]
    require_same_size(*(side.student for side in sides))
    for side in sides:
        side.step()
    times = [[side.seconds() for side in sides] for _ in range(args.rounds)]
    ratios = [released / own for released, own in times]
    released, own = (statistics.median(column) for column in zip(*times, strict=True))
    print(f'{args.what}, {size} inputs, {args.precision}, CPU, {torch.get_num_threads()} threads, '
          f'torch {torch.__version__}')
    print(f'released {1e3 * released:.0f} ms, ours {1e3 * own:.0f} ms: '
          f'{statistics.median(ratios):.2f} times as fast '
          f'(median of {args.rounds}; {min(ratios):.2f} to {max(ratios):.2f})')
    return dict(batch_size=size, milliseconds=dict(released=1e3 * released, ours=1e3 * own),
                ratios=ratios)


def on_gpu(args: argparse.Namespace) -> dict:
    """One network in memory at a time, since each may fill it."""
    device, precision = torch.device('cuda'), PRECISIONS[args.precision]
    print(f'{args.what}, {args.precision}, {torch.cuda.get_device_name()}, '
          f'torch {torch.__version__}')
    released = Side(BASELINES[args.what], device, precision)
    size = args.batch_size or largest_batch(released.fits)
    if size == 0:
        raise SystemExit(f'{BATCH_STEP} inputs must fit the GPU, but the released step does not '
                         'find the memory; give a smaller --batch-size')
    weights = trained(released.student)
    results = {f'released, {size}': measure_on_gpu(released, size, args.rounds)}
    del released
    rate = matrix_rate(device, precision, seconds=1.)
    for name, changes in (('ours', {}), ('ours, recomputing', dict(with_cp=True)),
                          ('ours, compiled', dict(compile=True))):
        side = Side(ours(args.what, **changes), device, precision)
        assert trained(side.student) == weights
        results[f'{name}, {size}'] = measure_on_gpu(side, size, args.rounds)
        if 'compile' not in changes:
            flops = sum(count_flops(
                side.student,
                lambda model: model.loss(trial_inputs(model, 1, device))).values())
            largest = largest_batch(side.fits)
            results[f'{name}, {largest}'] = measure_on_gpu(side, largest, args.rounds)
        del side
    first = next(iter(results.values()))
    print(f'matrix product {rate / 1e12:.0f} TFLOP/s, {flops / 1e9:.0f} GFLOP an input')
    for name, found in results.items():
        found['utilisation'] = found['inputs_per_second'] * flops / rate
        print(f'{name:28} {found["inputs_per_second"]:8.1f} inputs/s '
              f'({found["inputs_per_second"] / first["inputs_per_second"]:.2f}), '
              f'{found["peak_memory"] / 2**30:6.1f} GiB '
              f'({found["peak_memory"] / first["peak_memory"]:.2f}), '
              f'utilisation {100 * found["utilisation"]:.0f} %')
    return dict(matrix_flops_per_second=rate, flops_per_input=flops, results=results)


def measure_on_gpu(side: Side, size: int, rounds: int) -> dict:
    """Inputs a second and peak memory of steps of ``size`` inputs."""
    gc.collect()
    torch.cuda.empty_cache()
    side.set_batch(size)
    for _ in range(3):
        side.step()
    torch.cuda.reset_peak_memory_stats()
    seconds = statistics.median(side.seconds() for _ in range(rounds))
    return dict(inputs_per_second=size / seconds, peak_memory=torch.cuda.max_memory_allocated())


def require_same_size(released: nn.Module, own: nn.Module) -> None:
    assert trained(released) == trained(own), (trained(released), trained(own))


def loading(args: argparse.Namespace) -> dict:
    """Turns of a second each; the recipe's data set on a list of the one video."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)

    def own(path: str) -> Callable[[int], int]:
        config = Config.fromfile(CONFIGS / RECIPES['amd']).train_dataloader.dataset
        folder, name = Path(path).absolute().parent, Path(path).name
        config.dataset.update(ann_file='', data_prefix=dict(video=str(folder)))
        dataset = DATASETS.build(config)
        index = next(n for n in range(len(dataset))
                     if Path(dataset.get_data_info(n)['filename']).name == name)
        return lambda number: len(dataset[Sample(0, number, index)])

    sides = {'released': lambda number: len(baselines.load_clips(args.video)),
             'ours': own(args.video)}
    if args.prepared:
        sides['ours, prepared'] = own(args.prepared)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-1, args.rounds):
        for name, load in sides.items():
            clips, start = 0, time.perf_counter()
            while time.perf_counter() - start < 1:
                clips += load(clips)
            if turn >= 0:
                rates[name].append(clips / (time.perf_counter() - start))
    for name, found in rates.items():
        ratios = [rate / released for rate, released in
                  zip(found, rates['released'], strict=True)]
        print(f'{name:16} {statistics.median(found):7.1f} clips/s, '
              f'{statistics.median(ratios):.2f} times as fast '
              f'({min(ratios):.2f} to {max(ratios):.2f})')
    return dict(clips_per_second=rates)


@command
def main() -> None:
    args = parse_args()
    MMLogger.get_instance('benchmark', log_level='ERROR')
    if args.what == 'loader':
        result = loading(args)
    else:
        result = on_cpu(args) if args.device == 'cpu' else on_gpu(args)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    sys.exit(main())
