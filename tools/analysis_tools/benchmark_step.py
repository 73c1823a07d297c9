"""Times one training step of a config on made input, by part, against the machine's matrix rate.

The teacher gets random weights: time does not depend on them. Floating-point operations are
counted by torch's counter (a multiplication and an addition are two); recomputation
is not counted, as usual for the utilisation of a model.
"""
import argparse
import json
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch.utils.flop_counter import FlopCounterMode

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.registry import MODELS

PRECISIONS = dict(fp32=torch.float32, bf16=torch.bfloat16)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', help='a pre-training config')
    parser.add_argument('--batch-size', type=int, default=2, help='images or clips (default 2)')
    parser.add_argument('--device', choices=['cpu', 'cuda'],
                        default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--precision', choices=list(PRECISIONS), default='bf16')
    parser.add_argument('--compile', action='store_true', help='torch.compile the loss')
    parser.add_argument('--steps', type=int, default=10, help='timed steps (default 10)')
    parser.add_argument('--warm-up', type=int, default=3, help='steps before (default 3)')
    parser.add_argument('--json', type=Path, help='write the numbers to this file as well')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        help='settings of the config to change: key=value')
    return parser.parse_args()


class Parts:
    """Adds up what the named parts of a step take, by wrapping their calls.

    Args:
        measure: called without arguments before and after a call; the difference is added.
    """

    def __init__(self, measure: Callable[[], float]) -> None:
        self.measure = measure
        self.totals: dict[str, float] = defaultdict(float)
        self._undo: list[tuple[object, str]] = []

    def watch(self, name: str, owner: object, method: str) -> None:
        """Count the calls of ``owner.method`` as part ``name``."""
        original = getattr(owner, method)

        def measured(*args: object, **kwargs: object) -> object:
            with self.part(name):
                return original(*args, **kwargs)

        owner.__dict__[method] = measured
        self._undo.append((owner, method))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as part ``name``."""
        before = self.measure()
        yield
        self.totals[name] += self.measure() - before

    def stop(self) -> None:
        """Unwrap the calls."""
        for owner, method in self._undo:
            del owner.__dict__[method]


class Step:
    """A model, its optimizer and a batch of made input."""

    def __init__(self, args: argparse.Namespace) -> None:
        cfg = Config.fromfile(args.config)
        cfg.merge_from_dict(args.cfg_options)
        if 'teacher' in cfg.model:
            cfg.model.teacher.checkpoint = None
        self.device = torch.device(args.device)
        self.precision = PRECISIONS[args.precision]
        torch.manual_seed(0)
        self.model = MODELS.build(cfg.model).to(self.device).train()
        wrapper = dict(cfg.optim_wrapper, type='OptimWrapper')
        for key in ('dtype', 'loss_scale', 'accumulative_counts'):
            wrapper.pop(key, None)
        self.optim_wrapper = build_optim_wrapper(self.model, wrapper)
        grid = self.model.backbone.grid
        self.inputs = torch.randn(args.batch_size, 3, *grid.input_size, device=self.device)
        self.loss = torch.compile(self.model.loss) if args.compile else self.model.loss

    def forward(self) -> torch.Tensor:
        with torch.autocast(self.device.type, self.precision,
                            enabled=self.precision != torch.float32):
            return sum(self.loss(self.inputs).values())

    def now(self) -> float:
        """Seconds, after the device has done what it was given."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter()

    def watch_parts(self, parts: Parts) -> None:
        """Names the parts as the papers do."""
        model = self.model
        parts.watch('mask', model.mask_generator, 'forward')
        parts.watch('student', model.backbone, 'encode')
        if 'teacher' in model.__dict__:
            parts.watch('teacher', model.teacher, 'forward')
            parts.watch('generator', model.neck, 'forward')
        if model.decoder is not None:
            parts.watch('decoder', model.decoder, 'forward')

    def run(self, parts: Parts | None = None) -> None:
        """One training step; with ``parts``, also what each of them takes."""
        if parts is None:
            self.optim_wrapper.update_params(self.forward())
            return
        before, inside = parts.measure(), sum(parts.totals.values())
        loss = self.forward()
        forward = parts.measure() - before
        parts.totals['losses'] += forward - (sum(parts.totals.values()) - inside)
        with parts.part('backward'):
            loss.backward()
        with parts.part('optimizer'):
            self.optim_wrapper.step()
            self.optim_wrapper.zero_grad()


def count_flops(step: Step) -> dict[str, float]:
    """Floating-point operations of one step by part."""
    with FlopCounterMode(display=False) as counter:
        parts = Parts(lambda: float(counter.get_total_flops()))
        step.watch_parts(parts)
        step.run(parts)
    parts.stop()
    return dict(parts.totals)


def time_parts(step: Step, steps: int) -> dict[str, float]:
    """Median seconds by part; waiting for the device between parts makes their sum larger."""
    runs = []
    for _ in range(steps):
        parts = Parts(step.now)
        step.watch_parts(parts)
        step.run(parts)
        parts.stop()
        runs.append(parts.totals)
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def time_steps(step: Step, steps: int) -> list[float]:
    """Seconds of each step."""
    seconds = []
    for _ in range(steps):
        before = step.now()
        step.run()
        seconds.append(step.now() - before)
    return seconds


def matrix_rate(step: Step) -> float:
    """Operations a second of a large matrix product in the step's precision."""
    size = 8192 if step.device.type == 'cuda' else 2048
    a, b = (torch.randn(size, size, device=step.device, dtype=step.precision) for _ in range(2))
    seconds = []
    for _ in range(8):
        before = step.now()
        a @ b
        seconds.append(step.now() - before)
    return 2 * size**3 / statistics.median(seconds[3:])


def peak_memory(device: torch.device) -> int:
    """Bytes: of the allocator on a GPU, of the whole process on a CPU."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    args = parse_args()
    MMLogger.get_instance('benchmark', log_level='ERROR')
    step = Step(args)
    for _ in range(args.warm_up):
        step.run()
    if args.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    seconds = time_steps(step, args.steps)
    memory = peak_memory(step.device)
    # Parts cannot be told apart inside a compiled graph.
    parts = {} if args.compile else time_parts(step, args.steps)
    flops = {} if args.compile else count_flops(step)
    rate = matrix_rate(step)

    median = statistics.median(seconds)
    result = dict(
        config=args.config, batch_size=args.batch_size, device=args.device,
        precision=args.precision, compile=args.compile, torch=torch.__version__,
        threads=torch.get_num_threads(), seconds=seconds, seconds_median=median,
        clips_per_second=args.batch_size / median, peak_memory_bytes=memory,
        milliseconds_by_part={name: 1e3 * value for name, value in parts.items()},
        flops_per_clip_by_part={name: value / args.batch_size for name, value in flops.items()},
        matrix_flops_per_second=rate)
    if flops:
        result['utilisation'] = sum(flops.values()) / median / rate
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n')

    print(f'{args.config}: {args.batch_size} clips, {args.device}, {args.precision}'
          f'{", compiled" if args.compile else ""}, torch {torch.__version__}')
    print(f'step {1e3 * median:.1f} ms (median of {args.steps}; '
          f'{1e3 * min(seconds):.1f} to {1e3 * max(seconds):.1f}), '
          f'{args.batch_size / median:.2f} clips/s, peak memory {memory / 2**30:.2f} GiB')
    for name in parts:
        print(f'  {name:10} {1e3 * parts[name]:9.1f} ms '
              f'{flops[name] / args.batch_size / 1e9:10.2f} GFLOP a clip')
    if flops:
        print(f'matrix product {rate / 1e12:.2f} TFLOP/s; '
              f'utilisation of the step {100 * result["utilisation"]:.0f} %')


if __name__ == '__main__':
    main()
