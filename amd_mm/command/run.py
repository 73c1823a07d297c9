"""From a recipe and what differs from it to a config in the work dir, and to a run of it."""
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config

from amd_mm.command.config_file import Code, config_text, merged, nested, write_config
from amd_mm.command.places import TOOLS
from amd_mm.command_line import read_config_file
from amd_mm.config_keys import merge_options
from amd_mm.engine import newest_whole, prepare_start, train
from amd_mm.engine.fitting import fit_batch, fit_update, free_memory
from amd_mm.input_shape import SHAPE_KEYS

CONFIG_NAME = 'config.py'
_FIRST = ('work_dir', *SHAPE_KEYS, 'global_batch_size')


class Wish(NamedTuple):
    """What of a run both sub-commands let one ask for; see their arguments."""
    out: Path
    epochs: int | None
    batch: int | None
    processes: int | None
    options: Mapping[str, Any]
    resume: bool
    overwrite: bool
    config_only: bool


def make_config(base: str, settings: Mapping[str, Any], wish: Wish, samples: int, comment: str,
                needed: Callable[[Config], Callable[[int], int]]) -> tuple[Path, list[str]]:
    """Write the config of a run, its batch fitted to data and machine.

    Args:
        base: The recipe, as ``_base_`` takes it.
        settings: What differs from it.
        wish: Of the run.
        samples: Of the data that is trained on.
        comment: First lines of the file.
        needed: Of a config: the bytes that a batch needs, by its samples.

    Returns:
        The file, and what was fitted, in words.

    Raises:
        ValueError: If the work dir holds a run that nobody spoke of, or something does not fit.
    """
    settings = merged(dict(work_dir=str(wish.out)), settings)
    recipe = _read(config_text('', base, {}), {})
    whole = _read(config_text('', base, settings), wish.options)
    prepare_start(whole, 'auto' if wish.resume else None, wish.overwrite)
    processes = wish.processes or max(1, torch.accelerator.device_count())
    if 'global_batch_size' in wish.options:
        update = whole.global_batch_size
    else:
        update = wish.batch or fit_update(recipe.global_batch_size, samples)
    if update > samples:
        raise ValueError(f'--batch must be at most the samples to train on, got {update} and '
                         f'{samples}; lower it')
    free = free_memory() // (1 if torch.cuda.is_available() else processes)
    most = whole.train_dataloader.batch_size
    at_once = fit_batch(update, processes, most, needed(whole), free)
    fitted: dict[str, Any] = dict(train_dataloader=dict(batch_size=at_once))
    if update != recipe.global_batch_size:
        rate = '_base_.optim_wrapper.optimizer.lr * global_batch_size / _base_.global_batch_size'
        fitted.update(
            global_batch_size=update, optim_wrapper=dict(optimizer=dict(lr=Code(rate))),
            auto_scale_lr=dict(base_batch_size=Code('global_batch_size')))
    settings = merged(merged(settings, fitted), _length(recipe, wish.epochs, samples // update))
    settings = merged(settings, nested(wish.options, whole))
    # Others are computed from these.
    settings = {key: settings[key] for key in (*_FIRST, *settings) if key in settings}
    path = wish.out / CONFIG_NAME
    write_config(path, config_text(comment, base, settings))
    return path, _said(update, recipe.global_batch_size, at_once, processes, samples)


def start(path: Path, wish: Wish, notes: list[str]) -> Path | None:
    """Train a config that :func:`make_config` has written.

    Returns:
        The newest checkpoint; None where nothing was to be trained.
    """
    for note in notes:
        print(note, file=sys.stderr)
    print(f'config: {path} (again: amd-mm train {path})', file=sys.stderr)
    if wish.config_only:
        return None
    processes = wish.processes or max(1, torch.accelerator.device_count())
    if processes > 1:
        _start_processes(path, wish, processes)
    else:
        cfg = read_config_file(path)
        cfg.launcher = 'none'
        train(cfg, 'auto' if wish.resume else None, wish.overwrite, wish.options, notes[-1:])
    return newest_whole(wish.out)


def _start_processes(path: Path, wish: Wish, processes: int) -> None:
    flags = ['--resume'] * wish.resume + ['--overwrite'] * wish.overwrite
    line = [sys.executable, TOOLS / '_torchrun.py', '--standalone',
            f'--nproc-per-node={processes}', TOOLS / 'train.py', path, *flags,
            '--launcher', 'pytorch']
    status = subprocess.run(list(map(str, line))).returncode
    if status:
        raise SystemExit(status)


def _read(text: str, options: Mapping[str, Any]) -> Config:
    """The config that a text is, with options."""
    with tempfile.TemporaryDirectory(prefix='amd-mm-') as folder:
        path = Path(folder, CONFIG_NAME)
        write_config(path, text)
        cfg = read_config_file(path)
    merge_options(cfg, options)
    cfg.launcher = 'none'
    return cfg


def _length(recipe: Config, epochs: int | None, updates: int) -> dict[str, Any]:
    """Another number of epochs, phases of the schedule at their share of it.

    Args:
        recipe: With its own number.
        epochs: The other.
        updates: Of an epoch; no phase is shorter than two, as MMEngine never leaves the first
            rate of a warm-up of one.
    """
    before = recipe.train_cfg.max_epochs
    if epochs is None or epochs == before:
        return {}

    def moved(when: float) -> float:
        # Upwards, for MMEngine counts the updates in it downwards.
        return math.ceil(max(when * epochs / before, 2 / updates) * 1e4) / 1e4

    phases = []
    for number, phase in enumerate(recipe.get('param_scheduler') or []):
        ends = {key: moved(phase[key]) for key in ('begin', 'end') if phase.get(key)}
        if max(ends.values(), default=0) >= epochs:  # nothing is left behind a warm-up
            return dict(train_cfg=dict(max_epochs=epochs), param_scheduler=None)
        inside = ''.join(f', {key}={value:g}' for key, value in ends.items())
        phases.append(Code(f'dict(_base_.param_scheduler[{number}]{inside})'))
    return dict(train_cfg=dict(max_epochs=epochs), param_scheduler=phases)


def _said(update: int, recipe: int, at_once: int, processes: int, samples: int) -> list[str]:
    counts = update // (at_once * processes)
    return [f'batch: {at_once} samples x {processes} processes x {counts} accumulated = {update} '
            f'an update of {samples}'
            + ('' if update == recipe else f"; the recipe has {recipe}, and its rate x "
               f'{update / recipe:.3g} is taken')]
