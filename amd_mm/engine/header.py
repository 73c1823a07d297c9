"""What a run is, in ten lines."""
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from amd_mm.engine.batch import rate_of, update_of
from amd_mm.engine.hooks.throughput_hook import ThroughputHook
from amd_mm.engine.machine import usable_cores
from amd_mm.models import NearestNeighbours
from amd_mm.models.algorithms import MaskedPretraining

# Share of a matrix product's rate that a training step is taken to reach, as estimate_cost.py
# takes it where nothing else is said.
_UTILISATION = .45


def training_header(runner: Runner, changes: Sequence[str]) -> dict[str, str]:
    """Lines by name about a run of training that is built, loaded and has its first batch.

    Args:
        runner: Of the run.
        changes: What was changed for this machine, in words.
    """
    model = _unwrapped(runner)
    return {
        'method': f'{_method(model)}{_classes(model, runner.train_dataloader)}',
        'networks': _networks(model),
        'data': _data(runner.train_dataloader, runner.cfg.train_dataloader),
        'batch': str(update_of(runner)),
        'schedule': _schedule(runner),
        'device': _device(runner, runner.train_dataloader),
        'cost': _cost(runner),
        'changed': '; '.join([*changes, *_fallbacks(runner)]) or 'nothing for this machine',
        'start': _start(runner),
        'work dir': f'{runner.work_dir}, all messages in {runner.logger.log_file}',
    }


def testing_header(runner: Runner, changes: Sequence[str]) -> dict[str, str]:
    """Lines by name about a test that is built, loaded and has its first batch.

    Args:
        runner: Of the test.
        changes: What was changed for this machine, in words.
    """
    model = _unwrapped(runner)
    return {
        'model': f'{type(model).__name__}{_classes(model, runner.test_dataloader)}',
        'networks': _networks(model),
        'weights': str(runner.cfg.get('load_from')),
        'data': _data(runner.test_dataloader, runner.cfg.test_dataloader),
        'device': _device(runner, runner.test_dataloader),
        'changed': '; '.join(changes) or 'nothing for this machine',
        'work dir': f'{runner.work_dir}, all messages in {runner.logger.log_file}',
    }


def _unwrapped(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _method(model: nn.Module) -> str:
    name = type(model).__name__
    if not isinstance(model, MaskedPretraining):
        starts = [init_cfg['checkpoint'] for init_cfg in map(_init_cfg, model.modules())
                  if init_cfg.get('checkpoint')]
        return f'{name}, from {", ".join(starts) or "random weights"}'
    masks = model.mask_generator
    teachers = ''.join(f', the teacher {masks.num_visible + extra}'
                       for extra in masks.num_extras[:len(getattr(model, 'lessons', ()))])
    return (f'{name}: the student sees {masks.num_visible} of {model.backbone.grid.num_tokens} '
            f'tokens{teachers}')


def _classes(model: nn.Module, loader: DataLoader) -> str:
    """How many classes are told apart, and what guessing reaches; nothing of other models."""
    head = getattr(model, 'head', None) or getattr(model, 'cls_head', None)
    count = getattr(head, 'num_classes', None)
    if isinstance(model, NearestNeighbours):
        count = len(getattr(loader.dataset, 'metainfo', {}).get('classes') or ())
    return f'; {count} classes, guessing is right in {100 / count:.3g} %' if count else ''


def _init_cfg(module: nn.Module) -> dict:
    init_cfg = getattr(module, 'init_cfg', None)
    return init_cfg if isinstance(init_cfg, dict) else {}


def _networks(model: nn.Module) -> str:
    """Parts with weights, and teachers, which are outside of the module tree."""
    parts = [(name, part) for name, part in model.named_children()]
    frozen = [(f'teacher {lesson.name}'.strip(), lesson.teacher)
              for lesson in getattr(model, 'lessons', ())]
    counts = [*((name, _count(part), '') for name, part in parts),
              *((name, _count(part), ' (frozen)') for name, part in frozen)]
    return ', '.join(f'{name} {_short(count)}{note}' for name, count, note in counts if count)


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _short(number: float) -> str:
    """A number of things in thousands, millions and so on."""
    for size, letter in ((1e15, 'P'), (1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if number >= size:
            return f'{number / size:.3g} {letter}'
    return f'{number:.3g}'


def _data(loader: Any, settings: dict) -> str:
    places = list(dict.fromkeys(_places(settings.get('dataset'))))
    return f'{len(loader.dataset)} samples of {", ".join(places) or type(loader.dataset).__name__}'


def _places(dataset: Any) -> Iterator[str]:
    """Files and folders that a data set's config names."""
    while isinstance(dataset, dict):
        prefix = dataset.get('data_prefix')
        folders = prefix.values() if isinstance(prefix, dict) else [prefix]
        yield from (str(place) for place in (
            dataset.get('data_root'), dataset.get('ann_file'), *folders) if place)
        dataset = dataset.get('dataset')


def _schedule(runner: Runner) -> str:
    updates = runner.max_iters
    length = f'{updates} updates'
    if runner.train_loop.max_epochs > 1:
        length = f'{runner.max_epochs} epochs, {updates} updates in all'
    optimizer = type(runner.optim_wrapper.optimizer).__name__
    return f'{length}; {optimizer} at {rate_of(runner):.4g}{_warm_up(runner)}'


def _warm_up(runner: Runner) -> str:
    phases = runner.cfg.get('param_scheduler') or []
    for phase in phases if isinstance(phases, list) else [phases]:
        if phase['type'] == 'LinearLR' and phase.get('begin', 0) == 0 and 'end' in phase:
            unit = 'epochs' if phase.get('by_epoch', True) else 'updates'
            return f', after a warm-up of {phase["end"]} {unit}'
    return ''


def _device(runner: Runner, loader: DataLoader) -> str:
    device = next(runner.model.parameters()).device
    name = (f'CPU of {usable_cores()} cores' if device.type == 'cpu'
            else torch.get_device_module(device).get_device_name())
    return (f'{runner.world_size} x {name}, {_precision(runner)}; {loader.num_workers} loading '
            'processes each')


def _precision(runner: Runner) -> str:
    wrapper = runner.optim_wrapper if runner.cfg.get('optim_wrapper') else None
    if not isinstance(wrapper, AmpOptimWrapper):
        return 'float32'
    device = next(runner.model.parameters()).device
    return str(wrapper.cast_dtype or torch.get_autocast_dtype(device.type)).removeprefix('torch.')


def _cost(runner: Runner) -> str:
    hook = next((hook for hook in runner.hooks if isinstance(hook, ThroughputHook)), None)
    if hook is None or hook.flops_per_input is None or hook.rate is None:
        return 'not counted'
    update = update_of(runner)
    updates = runner.max_iters - runner.iter
    flops = hook.flops_per_input * update.repeats * update.samples * updates
    hours = flops / (hook.rate * _UTILISATION * runner.world_size) / 3600
    return (f'{_short(hook.flops_per_input)}FLOP an input, {_short(flops)}FLOP to go: '
            f'{_duration(hours)} at {_UTILISATION:.0%} of the {_short(hook.rate)}FLOP/s of a '
            'matrix product here')


def _duration(hours: float) -> str:
    for unit, length in (('days', 24.), ('hours', 1.), ('minutes', 1 / 60)):
        if hours >= 2 * length:
            return f'{hours / length:.0f} {unit}'
    return f'{3600 * hours:.0f} seconds'


def _fallbacks(runner: Runner) -> list[str]:
    """What the hosts cannot do without an accelerator."""
    asked = str(runner.cfg.optim_wrapper.get('type', '')).endswith('AmpOptimWrapper')
    if asked and not isinstance(runner.optim_wrapper, AmpOptimWrapper):
        return ['float32 instead of mixed precision (no accelerator)']
    return []


def _start(runner: Runner) -> str:
    if runner.iter > 0:
        return (f'goes on from {runner.cfg.get("load_from")}, epoch {runner.epoch + 1}, '
                f'update {runner.iter + 1}')
    if runner.cfg.get('load_from'):
        return f'from the weights of {runner.cfg.load_from}'
    return f'from the beginning, seed {runner.seed}'
