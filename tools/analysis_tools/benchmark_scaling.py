"""Measures training steps in 1, 2, ... processes, and counts what many GPUs ask of the rest.

Measured on made input: inputs a second of 1, 2, ... processes that exchange gradients as training
does (DistributedDataParallel), each with one thread on a CPU or a GPU of its own; and the exchange
(all-reduce) of as many gradients by itself.
On paper, from what the other benchmarks measured: network, loader cores and storage for --gpus.

Example:
    python tools/analysis_tools/benchmark_scaling.py configs/quickstart/pretrain_amd_student.py
    python tools/analysis_tools/benchmark_scaling.py \
        configs/amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py --processes \
        --inputs-per-second 400 --loader-ms 100 --file-bytes 400000
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from amd_mm.arguments import add_config_arguments, new_file, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'a pre-training config')
    parser.add_argument('--processes', type=int, nargs='*', default=[1, 2],
                        help='how many to measure (default 1 2); none: only the paper')
    parser.add_argument('--batch-size', type=int, default=2,
                        help='measured: inputs of a process and step (default 2)')
    parser.add_argument('--steps', type=int, default=10, help='timed steps (default 10)')
    parser.add_argument('--gpus', type=int, nargs='+', default=[8, 32, 256],
                        help='on paper: how many (default 8 32 256)')
    parser.add_argument('--inputs-per-second', type=float,
                        help='on paper: clips or images a GPU trains on (benchmark_step.py)')
    parser.add_argument('--loader-ms', type=float, help='on paper: of one core for a sample and '
                        'all its repeats (benchmark_loader.py)')
    parser.add_argument('--file-bytes', type=float, help='on paper: mean size of a file')
    parser.add_argument('--json', type=new_file, help='write the numbers to this file as well')
    args = parser.parse_args()
    paper = (args.inputs_per_second, args.loader_ms, args.file_bytes)
    if len({value is None for value in paper}) > 1 or min(value or 1 for value in paper) <= 0:
        parser.error('--inputs-per-second, --loader-ms and --file-bytes belong together and must '
                     f'be above 0, got {paper}')
    if paper[0] is None and not args.processes:
        parser.error('there is nothing to do: --processes with a number or more measures, and '
                     '--inputs-per-second, --loader-ms and --file-bytes ask for the paper')
    if min(args.batch_size, args.steps, *args.processes, *args.gpus) < 1:
        parser.error('--batch-size, --steps, --processes and --gpus must be at least 1')
    return args


parse_first(__name__, parse_args)

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.engine import accumulative_counts
from amd_mm.profiling.flops import synchronise
from amd_mm.profiling.trial import trial_inputs, trial_model

FORMULAS = '''\
network, each GPU sends   2 (n - 1) / n x 4 bytes x parameters an update
  on average              that x n x inputs/s of a GPU / (repeats x samples an update)
samples/s                 n x inputs/s of a GPU / repeats: files opened, one read each
storage bytes/s           samples/s x bytes of a file
loader cores a GPU        inputs/s of a GPU / repeats x loader seconds of a sample'''


def read_model(args: argparse.Namespace) -> tuple[Config, nn.Module, int]:
    """The config, its model with random weights of the teacher, and how many weights train."""
    warnings.filterwarnings('ignore', message='The teacher has random weights')
    cfg = read_config(args)
    model = trial_model(cfg)
    return cfg, model, sum(p.numel() for p in model.parameters() if p.requires_grad)


def on_paper(cfg: Config, parameters: int, gpus: int, inputs_per_second: float,
             loader_ms: float, file_bytes: float) -> dict[str, float]:
    """What so many GPUs ask of network, loader and storage, by FORMULAS; options as there."""
    loader = cfg.train_dataloader
    repeats = loader.dataset.get('num_repeats', 1)
    update = cfg.get('global_batch_size') or (
        gpus * loader.batch_size * accumulative_counts(cfg.optim_wrapper))
    sent = 2 * (gpus - 1) / gpus * 4 * parameters
    samples = gpus * inputs_per_second / repeats
    return dict(
        gpus=gpus, inputs_per_second=gpus * inputs_per_second,
        sent_bytes_an_update_a_gpu=sent,
        sent_bytes_per_second_a_gpu=sent * samples / update,
        loader_cores_a_gpu=samples / gpus * loader_ms / 1e3,
        reads_per_second=samples, storage_bytes_per_second=samples * file_bytes)


def measure_here(args: argparse.Namespace) -> dict[str, float]:
    """The numbers of this process among those that torchrun started with it."""
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if device.type == 'cuda':
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    distributed.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    torch.manual_seed(0)
    cfg, model, parameters = read_model(args)
    model = model.to(device)
    # Every step updates and exchanges, whatever the recipe accumulates.
    optim_wrapper = build_optim_wrapper(model, dict(cfg.optim_wrapper, accumulative_counts=1))
    inputs = trial_inputs(model, args.batch_size, device)
    network = DistributedDataParallel(model)

    def step() -> None:
        with optim_wrapper.optim_context(network):
            loss = sum(network(inputs, mode='loss').values())
        optim_wrapper.update_params(loss)

    gradients = torch.zeros(parameters, device=device)
    seconds = median_seconds(step, args.steps, device)
    exchange = median_seconds(lambda: distributed.all_reduce(gradients), args.steps, device)
    processes = distributed.get_world_size()
    return dict(processes=processes, parameters=parameters, seconds=seconds,
                exchange_seconds=exchange, inputs_per_second=processes * args.batch_size / seconds)


def median_seconds(step: Callable, steps: int, device: torch.device) -> float:
    """Of so many steps, after three others; the processes start each together."""
    seconds = []
    for number in range(steps + 3):
        distributed.barrier()
        synchronise(device)
        before = time.perf_counter()
        step()
        synchronise(device)
        if number >= 3:
            seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


def measure(args: argparse.Namespace, processes: int) -> dict[str, float]:
    """The numbers of so many processes of this command."""
    options = [f'{key}={value}' for key, value in args.cfg_options.items()]
    options = ['--cfg-options', *options] if options else []
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, 'result.json')
        subprocess.run(
            [sys.executable, '-m', 'torch.distributed.run', '--standalone',
             f'--nproc-per-node={processes}', __file__, args.config, '--json', str(result),
             '--batch-size', str(args.batch_size), '--steps', str(args.steps), *options],
            check=True, env=dict(os.environ, OMP_NUM_THREADS='1'))
        return json.loads(result.read_text())


def report(measured: list[dict], paper: list[dict]) -> None:
    """Print the numbers."""
    if measured:
        print('processes   inputs/s   efficiency   ms a step   ms to exchange the gradients alone')
    for row in measured:
        # A process in the first row has as many inputs a step.
        print(f'{row["processes"]:9d} {row["inputs_per_second"]:10.2f} '
              f'{measured[0]["seconds"] / row["seconds"]:11.0%} '
              f'{1e3 * row["seconds"]:11.1f} {1e3 * row["exchange_seconds"]:10.1f}')
    if paper:
        print(FORMULAS)
        print('GPUs   inputs/s   a GPU sends: MB an update, MB/s   loader cores a GPU   '
              'reads/s   storage MB/s')
    for row in paper:
        print(f'{row["gpus"]:4d} {row["inputs_per_second"]:10.0f} '
              f'{row["sent_bytes_an_update_a_gpu"] / 1e6:26.0f} '
              f'{row["sent_bytes_per_second_a_gpu"] / 1e6:6.0f} {row["loader_cores_a_gpu"]:20.1f} '
              f'{row["reads_per_second"]:9.0f} {row["storage_bytes_per_second"] / 1e6:14.1f}')


@command
def main() -> None:
    args = parse_args()
    MMLogger.get_instance('scaling', log_level='ERROR')
    # Set by torchrun, whom this command starts.
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        result = measure_here(args)
        if os.environ['RANK'] == '0':
            args.json.write_text(json.dumps(result))
        return
    paper = []
    cfg, _, parameters = read_model(args)
    if args.inputs_per_second is not None:
        paper = [on_paper(cfg, parameters, gpus, args.inputs_per_second, args.loader_ms,
                          args.file_bytes) for gpus in args.gpus]
    measured = [measure(args, processes) for processes in args.processes]
    if args.json:
        args.json.write_text(json.dumps(dict(measured=measured, paper=paper), indent=1) + '\n')
    report(measured, paper)


if __name__ == '__main__':
    sys.exit(main())
