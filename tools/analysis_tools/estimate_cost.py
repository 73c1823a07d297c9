"""Estimates time, memory and loader rate of a full recipe; nothing is computed.

Recipes of pre-training, segmentation and detection in pictures; the latter two at the size of a
crop, and for detection with as many regions as are sampled.

Time is floating-point operations, counted as amd_mm.profiling.flops says, over GPUs x rate x
utilisation. Take rate and utilisation from benchmark_step.py on the machine in question. It
leaves out start-up, validation, checkpoints, and waits for data, other processes and the network.

Memory is what tensors hold, on each GPU: weights and buffers; the teacher's, or of one that is
sharded a GPU's share and two blocks; two moments for AdamW; with several GPUs the buckets in
which DDP exchanges gradients; and the most that activations and gradients hold at a time,
followed through a step on imagined tensors with a CPU's operators. A student is never sharded here.
What comes on top is not estimated: the CUDA context and workspaces of kernels (a GB or two),
fragmentation.

Example:
    python tools/analysis_tools/estimate_cost.py \
        configs/amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py \
        --gpus 32 --gpu-tflops 700 --samples 240000
"""
import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from amd_mm.arguments import add_config_arguments, new_file, number, parse_first
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'a config of pre-training, segmentation or detection')
    parser.add_argument('--gpus', type=int, required=True, help='processes in all')
    parser.add_argument('--gpu-tflops', type=float, required=True,
                        help='TFLOP/s of a dense matrix product on one, in the precision of the '
                        'config; best measured, by benchmark_step.py')
    parser.add_argument('--utilisation', type=float, default=.45,
                        help='share of it that a step reaches (default 0.45)')
    parser.add_argument('--samples', type=number(least=1),
                        help="videos or images of the data set; else the config's is counted")
    parser.add_argument('--json', type=new_file, help='write the numbers to this file as well')
    args = parser.parse_args()
    if args.gpus < 1 or args.gpu_tflops <= 0 or not 0 < args.utilisation <= 1:
        parser.error('--gpus must be at least 1, --gpu-tflops positive and --utilisation in '
                     f'(0, 1], got {args.gpus}, {args.gpu_tflops} and {args.utilisation}')
    return args


parse_first(__name__, parse_args)

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from torch import Tensor, nn

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.engine import accumulative_counts, batches_an_update
from amd_mm.inference import is_detector, is_segmentor
from amd_mm.models.teachers import Teacher
from amd_mm.profiling.flops import count_flops
from amd_mm.profiling.memory import module_bytes, step_memory
from amd_mm.profiling.trial import (
    detection_losses,
    segmentation_losses,
    trial_detector,
    trial_inputs,
    trial_model,
    trial_segmentor,
)
from amd_mm.registry import DATASETS


def count_samples(cfg: Config) -> int:
    """Videos or images of the config's data set.

    Raises:
        ValueError: If it cannot be read.
    """
    dataset = cfg.train_dataloader.dataset
    try:
        return len(DATASETS.build(dataset))
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError('the number of samples is the length of train_dataloader.dataset, which '
                         f'cannot be read ({error}); give --samples') from error


def precision_of(cfg: Config) -> torch.dtype:
    """What the run computes in: autocast's type, or float32."""
    wrapper = cfg.optim_wrapper
    if wrapper.get('type', '').endswith('AmpOptimWrapper'):
        return getattr(torch, wrapper.get('dtype', 'float16'))
    return torch.float32


def losses_of(cfg: Config) -> Callable[[Any, Tensor], dict[str, Tensor]]:
    """What a step of the config's model computes before its backward pass."""
    if is_detector(cfg):
        return detection_losses
    return segmentation_losses if is_segmentor(cfg) else lambda model, inputs: model.loss(inputs)


def build_trial(cfg: Config) -> nn.Module:
    """The config's model with random weights."""
    if is_detector(cfg):
        return trial_detector(cfg)
    return trial_segmentor(cfg) if is_segmentor(cfg) else trial_model(cfg)


def input_size(model: nn.Module, cfg: Config) -> tuple[int, ...]:
    """((T,) H, W) of what a step sees; of a detector the cut square, padded."""
    if not is_detector(cfg):
        return model.backbone.grid.input_size
    steps = cfg.train_dataloader.dataset.dataset.pipeline
    crop = next((step.crop_size for step in steps if 'crop_size' in step), None)
    if crop is None:
        raise ValueError('the pipeline of a detection config must cut pictures (crop_size), whose '
                         'size is that of a step, but does not; add mmdet.RandomCrop')
    divisor = cfg.model.data_preprocessor.get('pad_size_divisor', 1)
    return tuple(-(-side // divisor) * divisor for side in crop)


def estimate_memory(model: nn.Module, cfg: Config, inputs: int, gpus: int) -> dict[str, int]:
    """Bytes on one GPU by what they are for."""
    trained = module_bytes(model, trained=True)
    channels = model.backbone.architecture.channels
    return {
        'weights': module_bytes(model),
        'teacher': sum(teacher_memory(lesson.teacher, gpus)
                       for lesson in getattr(model, 'lessons', ())),
        'optimizer': 2 * trained,
        'gradient buckets': trained if gpus > 1 else 0,
        'activations and gradients': step_memory(
            model, (inputs, channels, *input_size(model, cfg)), precision_of(cfg),
            accumulating=count_batches(cfg, gpus) > 1, losses=losses_of(cfg)),
    }


def teacher_memory(teacher: Teacher, gpus: int) -> int:
    """Bytes on one GPU; of one that is shared out, its share and the blocks at work."""
    whole = module_bytes(teacher)
    if gpus == 1 or teacher.shared_out is None:
        return whole
    return whole // gpus + 2 * max(map(module_bytes, teacher.shared_out.blocks))


def count_batches(cfg: Config, gpus: int) -> int:
    """Batches that a GPU accumulates for an update."""
    wanted = cfg.get('global_batch_size')
    if wanted is None:
        return accumulative_counts(cfg.optim_wrapper)
    return batches_an_update(wanted, cfg.train_dataloader.batch_size, gpus)


def estimate(cfg: Config, gpus: int, rate: float, samples: int | None = None) -> dict:
    """All numbers, as they go into the JSON file.

    Args:
        cfg: A config of pre-training, segmentation or detection in pictures.
        gpus: Processes.
        rate: Floating-point operations a second that one of them gets done.
        samples: Of the data set; None counts the config's.

    Raises:
        ValueError: If there are not enough samples for an update, or the config is of another
            kind.
    """
    model = build_trial(cfg)
    if 'max_epochs' not in cfg.train_cfg:
        raise ValueError('train_cfg must count in epochs (max_epochs), got '
                         f'{dict(cfg.train_cfg)}; set train_cfg.max_epochs and by_epoch=True')
    samples = count_samples(cfg) if samples is None else samples
    loader = cfg.train_dataloader
    repeats = loader.dataset.get('num_repeats', 1)
    accumulated = count_batches(cfg, gpus)
    update = loader.batch_size * gpus * accumulated
    updates = samples // update * cfg.train_cfg.max_epochs
    if updates <= 0:
        raise ValueError(f'an epoch must hold at least one update of {update} samples, got a data '
                         f'set of {samples}: lower --gpus, batch_size or global_batch_size')

    inputs = loader.batch_size * repeats
    # Norms over a batch need more than one.
    two = trial_inputs(model, 2, size=input_size(model, cfg))
    losses = losses_of(cfg)
    flops = {name: value // 2
             for name, value in count_flops(model, lambda model: losses(model, two)).items()}
    seconds = inputs * sum(flops.values()) / rate
    hours = updates * accumulated * seconds / 3600
    memory = estimate_memory(model, cfg, inputs, gpus)
    return dict(
        gpus=gpus, samples=samples, samples_an_update=update,
        recipe_samples_an_update=cfg.get('auto_scale_lr', {}).get('base_batch_size'),
        epochs=cfg.train_cfg.max_epochs, updates=updates, batches_an_update=accumulated,
        repeats=repeats, inputs_a_batch=inputs, flops_an_input_by_part=flops,
        seconds_a_batch=seconds, hours=hours, gpu_hours=hours * gpus,
        inputs_per_second=gpus * inputs / seconds,
        samples_per_second=gpus * loader.batch_size / seconds,
        memory_bytes_by_part=memory, memory_bytes=sum(memory.values()))


def report(result: dict, args: argparse.Namespace) -> None:
    """Print the numbers."""
    gpus = result['gpus']
    flops = result['flops_an_input_by_part']
    print(f'{args.config}\n{gpus} GPUs of {args.gpu_tflops:g} TFLOP/s, '
          f'{100 * args.utilisation:.3g} % of it used')
    print(f'data: {result["samples"]} samples, {result["repeats"]} inputs from each, '
          f'{result["epochs"]} epochs')
    print(f'update: {result["samples_an_update"]} samples; {result["updates"]} updates, '
          f'each of {result["batches_an_update"]} batches a GPU')
    expected = result['recipe_samples_an_update']
    if expected not in (None, result['samples_an_update']):
        print(f'  the learning rate of the recipe belongs to {expected} samples: change '
              'global_batch_size back, or use --auto-scale-lr')
    parts = ', '.join(f'{name} {value / 1e9:.1f}' for name, value in flops.items() if value)
    print(f'operations: {sum(flops.values()) / 1e9:.1f} GFLOP an input ({parts})')
    print(f'time: {1e3 * result["seconds_a_batch"]:.0f} ms a batch of '
          f'{result["inputs_a_batch"]} inputs a GPU, {result["hours"]:.1f} hours, '
          f'{result["gpu_hours"]:.0f} GPU-hours')
    print(f'loader: {result["samples_per_second"]:.0f} samples/s decoded, '
          f'{result["inputs_per_second"]:.0f} inputs/s made of them; a GPU '
          f'{result["samples_per_second"] / gpus:.1f} and '
          f'{result["inputs_per_second"] / gpus:.1f}')
    print(f'memory: {result["memory_bytes"] / 2**30:.1f} GiB a GPU, CUDA context and workspaces '
          'not included')
    for name, value in result['memory_bytes_by_part'].items():
        print(f'  {name:26} {value / 2**30:6.2f} GiB')


@command
def main() -> None:
    args = parse_args()
    MMLogger.get_instance('estimate', log_level='ERROR')
    cfg = read_config(args)
    result = estimate(cfg, args.gpus, args.gpu_tflops * 1e12 * args.utilisation, args.samples)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n')
    report(result, args)


if __name__ == '__main__':
    sys.exit(main())
