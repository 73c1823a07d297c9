"""What of a resumed run is the checkpoint's, and what the config's."""
import copy
import warnings
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from amd_mm.checkpoints.saved_config import saved_config
from amd_mm.registry import HOOKS

# Settings of an optimizer's parameter groups that a config may change in the middle of a run.
_SETTINGS = ('lr', 'initial_lr', 'weight_decay', 'betas', 'eps', 'momentum')
# What of a config is compared with the checkpoint's.
_COMPARED = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'auto_scale_lr')
# What is the config's in any case, and is named where it has changed.
_NAMED = ('model', 'train_dataloader', 'randomness')


@HOOKS.register_module()
class ResumeHook(Hook):
    """Lets what the config says about the rest of a run hold when it is resumed.

    MMEngine takes the optimizer's settings and the schedules from the checkpoint, whatever the
    config says by now. Here weights, moments and the place in the run are the checkpoint's; where
    ``optim_wrapper``, ``param_scheduler``, ``train_cfg`` or ``auto_scale_lr`` have changed since,
    rates, decay, betas and schedules are the config's: schedules as if they had been so from the
    beginning. What has changed is logged, in ``model``, ``train_dataloader`` and ``randomness``
    too. An unchanged run goes on bit for bit.
    """

    # Before the hooks that log the rate.
    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._changes: list[str] = []
        self._settings: list[dict[str, Any]] = []

    def before_run(self, runner: Runner) -> None:
        """Remember the optimizer as the config has it; the student's own file is not needed."""
        groups = runner.optim_wrapper.optimizer.param_groups
        self._settings = [{name: copy.deepcopy(group[name]) for name in _SETTINGS if name in group}
                          for group in groups]
        if runner._resume:
            _forget_pretrained(runner.model)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the configs.

        Raises:
            ValueError: If the optimizer of the config cannot have the checkpoint's state.
        """
        if not runner._resume:
            return
        before = saved_config(checkpoint.get('meta', {}))
        now = runner.cfg.to_dict()
        self._changes, others = ([] if not before else [
            change for name in names
            for change in differences(name, before.get(name), now.get(name))]
            for names in (_COMPARED, _NAMED))
        if others:
            runner.logger.warning(
                'Resumed with other settings of data or model than the checkpoint has: '
                f'{"; ".join(others)}.')
        groups = checkpoint['optimizer'].get('param_groups', [])
        sizes = [len(group['params']) for group in groups]
        own = [len(group['params']) for group in runner.optim_wrapper.optimizer.param_groups]
        if sizes != own:
            raise ValueError(
                'a run must be resumed with the groups of weights it was started with, '
                f'{len(sizes)} of {sum(sizes)} weights, got {len(own)} of {sum(own)}; restore '
                'paramwise_cfg, the constructor and what is frozen, or start a new run with '
                'load_from')

    def before_train(self, runner: Runner) -> None:
        """Put the config's settings in the place of the checkpoint's, where they differ."""
        if not self._changes:
            return
        for group, settings in zip(runner.optim_wrapper.optimizer.param_groups, self._settings,
                                   strict=True):
            group.update(settings, lr=settings.get('initial_lr', settings['lr']))
        if runner.param_schedulers is not None:
            runner.param_schedulers = runner.build_param_scheduler(runner.cfg.param_scheduler)
            _fast_forward(runner)
        rates = sorted({group['lr'] for group in runner.optim_wrapper.optimizer.param_groups})
        runner.logger.warning(
            'Resumed with a config that has changed. Weights, moments and the place (epoch '
            f'{runner.epoch}, iteration {runner.iter}) are the checkpoint\'s; the config\'s are: '
            f'{"; ".join(self._changes)}. Rate now: {rates[-1]:.4g}.')


def _forget_pretrained(model: Any) -> None:
    """All weights come from the checkpoint: the file that training started from may be gone."""
    for module in (model.module if is_model_wrapper(model) else model).modules():
        init_cfg = getattr(module, 'init_cfg', None)
        if isinstance(init_cfg, dict) and init_cfg.get('type') == 'Pretrained':
            module.init_cfg = None


def _fast_forward(runner: Runner) -> None:
    """Steps new schedules to where the run is."""
    length = len(runner.train_dataloader)
    with warnings.catch_warnings():
        # torch's schedulers mind that no optimizer has stepped between.
        warnings.simplefilter('ignore')
        for iteration in range(1, runner.iter + 1):
            for scheduler in runner.param_schedulers:
                if not scheduler.by_epoch or iteration % length == 0:
                    scheduler.step()


def differences(name: str, before: Any, now: Any) -> Iterator[str]:
    """Changed values as ``'optim_wrapper.optimizer.lr 0.1 -> 0.2'``, in nested dicts and lists."""
    if name.endswith('accumulative_counts'):
        return  # follows from the number of processes
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from differences(f'{name}.{key}', before.get(key), now.get(key))
    elif isinstance(before, list | tuple) and isinstance(now, list | tuple) and (
            len(before) == len(now)):
        for number, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from differences(f'{name}.{number}', old, new)
    elif before != now:
        yield f'{name} {before} -> {now}'
