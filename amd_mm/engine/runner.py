"""Runners: MMEngine's from a config, and one for data whose classes the config does not know."""
from __future__ import annotations

import copy
import os
from functools import wraps
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import RUNNERS as ALL_RUNNERS
from mmengine.runner import Runner
from torch import nn

from amd_mm.checkpoints.addresses import address_of
from amd_mm.checkpoints.reading import read_content
from amd_mm.config_keys import check_keys
from amd_mm.config_values import check_values, require
from amd_mm.datasets.ava_check import check_num_classes
from amd_mm.datasets.labels import coco_files, fill_classes
from amd_mm.engine.batch import count_accumulation, settle_accumulation
from amd_mm.engine.evaluation import leave_out_bad_samples
from amd_mm.engine.held_out import require_held_out, settle_held_out
from amd_mm.engine.hooks import (
    CollectiveLimitHook,
    CompleteCheckpointHook,
    InterimCheckpointHook,
    RatesHook,
    ResumeHook,
    SlowRankHook,
)
from amd_mm.engine.hooks.label_range_hook import ClassLabelsHook
from amd_mm.engine.loggers import settle_loggers
from amd_mm.engine.measures import num_classes_of, settle_topk
from amd_mm.engine.preflight import check_own_labels, check_packages, check_places
from amd_mm.engine.processes import start_processes
from amd_mm.engine.report_option import settle_report
from amd_mm.engine.schedules import check_schedules
from amd_mm.engine.settings_check import check_names, check_paramwise
from amd_mm.input_shape import settle_shape
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.registry import RUNNERS
from amd_mm.stopping import stop_signals


def build_runner(cfg: Config) -> Runner:
    """The runner of a config: MMEngine's, or the one it names by ``runner_type``.

    Raises:
        ValueError: If a type is not registered, nothing reads a key, a value is out of range, the
            parts of a detector do not have the same classes, or ``load_from`` is a file that is
            not there or cannot be read as weights.
        ModuleNotFoundError: If a part needs a package that is not installed.
    """
    _check(cfg)
    check_num_classes(cfg)
    settle_loggers(cfg)
    settle_topk(cfg, num_classes_of(cfg))
    check_packages(cfg)
    start = str(cfg.get('load_from') or '')
    # MMEngine has prefixes of its own besides; they all lead to its list of addresses.
    if start and (address_of(start) or 'http').startswith('http'):
        read_content(start)
    start_processes(cfg)
    runner = ALL_RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    leave_out_bad_samples(runner)
    return runner


def build_training_runner(cfg: Config) -> Runner:
    """As :func:`build_runner`, for training: its updates see ``global_batch_size`` samples.

    Args:
        cfg: Accumulation and a held-out data set are settled in it, see
            :func:`~amd_mm.engine.settle_accumulation` and :func:`~amd_mm.engine.settle_held_out`.

    Raises:
        ValueError: If a file or folder is not there, batches and processes do not make up the
            global batch, or training ends within its warm-up, a key is misspelt or would not be
            read, or (when training starts) rates do not fit the network.
    """
    # What it says becomes a hook's, and is checked as such.
    settle_report(cfg)
    check_names(cfg)
    _check(cfg)
    check_paramwise(cfg)
    check_schedules(cfg)
    require(cfg, 'model', 'train_dataloader', 'train_cfg', 'optim_wrapper')
    settle_accumulation(cfg)
    settle_held_out(cfg)
    parts = ['train'] if cfg.get('val_cfg') is None else ['train', 'val']
    check_places(cfg, parts)
    checked = check_own_labels(cfg, parts) if _counts_classes(cfg) else []
    _settle_determinism(cfg)
    runner = build_runner(cfg)
    for hook in runner.hooks:
        if isinstance(hook, ClassLabelsHook):
            hook.passed(checked)
    count_accumulation(runner)
    runner.register_hook(RatesHook())
    runner.register_hook(CollectiveLimitHook())
    for hook_class in (InterimCheckpointHook, SlowRankHook):
        if not any(isinstance(hook, hook_class) for hook in runner.hooks):
            runner.register_hook(hook_class())
    if isinstance(runner, Runner):
        runner.register_hook(ResumeHook())
        if any(isinstance(module, MaskedPretraining) for module in runner.model.modules()):
            require_held_out(cfg)
        if _is_ours(runner.model):
            runner.register_hook(CompleteCheckpointHook(exact=True))
    _leave_signals(runner)
    return runner


def _leave_signals(runner: Runner) -> None:
    """Let ``train`` leave signals as it finds them, however it ends; a hook takes them."""
    train = runner.train

    @wraps(train)
    def train_and_give_back() -> nn.Module:
        were_taken = stop_signals.are_taken
        try:
            return train()
        finally:
            if not were_taken:
                stop_signals.give_back()
    runner.train = train_and_give_back


def _check(cfg: Config) -> None:
    """Find what the user can mend before MMEngine builds anything."""
    settle_shape(cfg)
    check_keys(cfg)
    check_values(cfg)
    source = cfg.get('load_from')
    if source is not None and '://' not in source and not Path(source).is_file():
        raise ValueError(f'{source}: a checkpoint to start from must be a file, but there is none; '
                         'check the path')


def _settle_determinism(cfg: Config) -> None:
    """What ``randomness.deterministic`` needs beside the switch of torch that MMEngine sets."""
    if cfg.get('randomness', {}).get('deterministic', False):
        # cuBLAS reads it when it begins, and torch refuses matrix products without.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        # It may choose another algorithm in every run.
        cfg.setdefault('env_cfg', {})['cudnn_benchmark'] = False


def _counts_classes(cfg: Config) -> bool:
    return str(cfg.get('runner_type')).rpartition('.')[2] == ClassesFromDataRunner.__name__


def _is_ours(model: nn.Module) -> bool:
    """Whether the model, or a part of it such as its backbone, is a class of this package."""
    return any(type(module).__module__.startswith('amd_mm.models') for module in model.modules())


@RUNNERS.register_module()
class ClassesFromDataRunner(Runner):
    """MMEngine's runner for one's own data: counts the classes and checks labels first.

    A config asks for it by ``runner_type='amd_mm.ClassesFromDataRunner'`` and says
    ``num_classes=None`` wherever the number belongs; see :func:`fill_classes`. The commands of
    this package and of the hosts heed ``runner_type``.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> ClassesFromDataRunner:
        """Fill in the classes and build; labels and files are checked before they are used.

        Raises:
            ValueError: If the data sets do not have the same classes, or their labels do not suit
                the metrics. When training or testing starts: if a label does not fit its class
                list, a file is missing, or a class has no training sample.
        """
        cfg = copy.deepcopy(cfg)
        classes = fill_classes(cfg)
        if num_classes_of(cfg) == 1:  # of boxes and masks one class is enough
            raise ValueError(
                f'a classifier must tell at least two classes apart, got one, {classes[0]!r}; add '
                'a folder, or a name in the class list, for what is none of it')
        settle_topk(cfg, len(classes))
        runner = super().from_cfg(cfg)
        runner.register_hook(ClassLabelsHook(classes, coco_files(cfg)))
        return runner
