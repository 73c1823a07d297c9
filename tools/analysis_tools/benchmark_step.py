"""Times one training step of a config on made input, by part, against the machine's matrix rate.

The teacher gets random weights: time does not depend on them. Floating-point operations are
counted as amd_mm.profiling.flops says: a multiplication and an addition are two, and recomputation
is left out.

Example:
    python tools/analysis_tools/benchmark_step.py \
        configs/amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py --batch-size 64
"""
import argparse
import json
import resource
import statistics
import sys
import time

from amd_mm.arguments import add_config_arguments, new_file, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'a pre-training config')
    parser.add_argument('--batch-size', type=int, default=2,
                        help='images or clips; a repeat of a video is a clip (default 2)')
    parser.add_argument('--device', choices=['cpu', 'cuda'],
                        help='default: cuda where torch finds a GPU')
    parser.add_argument('--precision', choices=['fp32', 'bf16'], default='bf16',
                        help='bf16 is autocast (default)')
    parser.add_argument('--compile', action='store_true', help='as compile=True does')
    parser.add_argument('--steps', type=int, default=10, help='timed steps (default 10)')
    parser.add_argument('--warm-up', type=int, default=3, help='steps before (default 3)')
    parser.add_argument('--json', type=new_file, help='write the numbers to this file as well')
    args = parser.parse_args()
    import torch  # --help need not wait for it

    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if args.batch_size < 1 or args.steps < 2 or args.warm_up < 0:
        parser.error('there must be at least 1 input, 2 timed steps and 0 before them, got '
                     f'{args.batch_size}, {args.steps} and {args.warm_up}')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda needs a GPU that torch can use, found none')
    return args


parse_first(__name__, parse_args)

import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.profiling.flops import count_flops, matrix_rate, synchronise
from amd_mm.profiling.parts import Parts
from amd_mm.profiling.trial import trial_inputs, trial_model

PRECISIONS = dict(fp32=torch.float32, bf16=torch.bfloat16)
# ru_maxrss is in bytes on macOS, in KiB elsewhere.
RSS_UNIT = 1 if sys.platform == 'darwin' else 1024


class Step:
    """A model, its optimizer and a batch of made input."""

    def __init__(self, args: argparse.Namespace) -> None:
        cfg = read_config(args)
        self.device = torch.device(args.device)
        self.precision = PRECISIONS[args.precision]
        torch.manual_seed(0)
        self.model = trial_model(cfg).to(self.device)
        wrapper = dict(cfg.optim_wrapper, type='OptimWrapper')
        for key in ('dtype', 'loss_scale', 'accumulative_counts'):
            wrapper.pop(key, None)
        self.optim_wrapper = build_optim_wrapper(self.model, wrapper)
        self.inputs = trial_inputs(self.model, args.batch_size, self.device)
        if args.compile:
            self.model.compile_networks()

    def losses(self) -> dict[str, torch.Tensor]:
        with torch.autocast(self.device.type, self.precision,
                            enabled=self.precision != torch.float32):
            return self.model.loss(self.inputs)

    def run(self) -> None:
        """One training step."""
        self.optim_wrapper.update_params(sum(self.losses().values()))

    def run_in_parts(self) -> dict[str, float]:
        """One training step; seconds of each part, the device waited for after each."""
        parts = Parts(self.now)
        with parts.watching(self.model):
            losses = parts.forward(self.losses)
            with parts.part('backward'):
                sum(losses.values()).backward()
            with parts.part('optimizer'):
                self.optim_wrapper.step()
                self.optim_wrapper.zero_grad()
        return parts.totals

    def now(self) -> float:
        """Seconds, after the device has done what it was given."""
        synchronise(self.device)
        return time.perf_counter()


def time_steps(step: Step, steps: int) -> list[float]:
    """Seconds of each step."""
    seconds = []
    for _ in range(steps):
        before = step.now()
        step.run()
        seconds.append(step.now() - before)
    return seconds


def peak_memory(device: torch.device) -> int:
    """Bytes: of torch's allocator on a GPU, of the whole process since its start on a CPU."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def measure(args: argparse.Namespace) -> dict:
    """All numbers, as they go into the JSON file."""
    step = Step(args)
    for _ in range(args.warm_up):
        step.run()
    rates = [matrix_rate(step.device, step.precision, seconds=1.)]
    if args.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    seconds = time_steps(step, args.steps)
    memory = peak_memory(step.device)
    # Parts cannot be told apart inside a compiled graph.
    runs = [] if args.compile else [step.run_in_parts() for _ in range(args.steps)]
    flops = count_flops(step.model, lambda model: model.loss(step.inputs))
    # Others on the machine can only slow it down.
    rates.append(matrix_rate(step.device, step.precision, seconds=1.))
    rate = max(rates)

    quartiles = statistics.quantiles(seconds, n=4, method='inclusive')
    median = quartiles[1]
    by_part = {name: [1e3 * run[name] for run in runs] for name in (runs[0] if runs else ())}
    return dict(
        config=args.config, batch_size=args.batch_size, device=args.device,
        device_name=(torch.cuda.get_device_name() if args.device == 'cuda' else 'CPU'),
        precision=args.precision, compile=args.compile, torch=torch.__version__,
        threads=torch.get_num_threads(), seconds=seconds, seconds_median=median,
        seconds_quartiles=quartiles,
        clips_per_second=args.batch_size / median, peak_memory_bytes=memory,
        milliseconds_by_part={
            name: statistics.median(values) for name, values in by_part.items()},
        milliseconds_quartiles_by_part={
            name: statistics.quantiles(values, n=4, method='inclusive')
            for name, values in by_part.items()},
        flops_per_clip_by_part={
            name: value / args.batch_size for name, value in flops.items()},
        matrix_flops_per_second=rate, matrix_flops_per_second_before_and_after=rates,
        utilisation=sum(flops.values()) / median / rate)


def report(result: dict) -> None:
    """Print the numbers."""
    low, median, high = (1e3 * value for value in result['seconds_quartiles'])
    print(f'{result["config"]}: {result["batch_size"]} clips, {result["device_name"]}, '
          f'{result["precision"]}{", compiled" if result["compile"] else ""}, '
          f'torch {result["torch"]}, {result["threads"]} threads')
    print(f'step {median:.1f} ms (median of {len(result["seconds"])}; quartiles {low:.1f} and '
          f'{high:.1f}), {result["clips_per_second"]:.2f} clips/s, peak memory '
          f'{result["peak_memory_bytes"] / 2**30:.2f} GiB')
    milliseconds, flops = result['milliseconds_by_part'], result['flops_per_clip_by_part']
    for name in milliseconds or flops:
        time_and_spread = '-'
        if name in milliseconds:
            low, median, high = result['milliseconds_quartiles_by_part'][name]
            time_and_spread = f'{median:.1f} ms ({low:.1f} to {high:.1f})'
        print(f'  {name:10} {time_and_spread:>28} {flops.get(name, 0.) / 1e9:10.2f} GFLOP a clip')
    if result['compile']:
        print('  (parts of a compiled step cannot be timed)')
    elif result['device'] != 'cpu':
        print('  (timed in other steps, with a wait for the device after each part: their sum is '
              'more than the step)')
    print(f'matrix product {result["matrix_flops_per_second"] / 1e12:.2f} TFLOP/s; '
          f'utilisation of the step {100 * result["utilisation"]:.0f} %')
    before, after = result['matrix_flops_per_second_before_and_after']
    if min(before, after) < .9 * max(before, after):
        print(f'  (the product ran at {before / 1e12:.2f} TFLOP/s before the steps and at '
              f'{after / 1e12:.2f} after them: the machine was not alone with this, and no figure '
              'here can be trusted)')


@command
def main() -> None:
    args = parse_args()
    MMLogger.get_instance('benchmark', log_level='ERROR')
    result = measure(args)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n')
    report(result)


if __name__ == '__main__':
    sys.exit(main())
