"""How fast a run is, and what it waits for, in its log."""
import copy
from collections import deque
from functools import partial
from typing import Any

import torch
from mmengine.hooks import Hook, IterTimerHook
from mmengine.model import is_model_wrapper
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner
from torch import nn
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from amd_mm.keys import seeded
from amd_mm.profiling import count_flops, matrix_rate
from amd_mm.registry import HOOKS
from amd_mm.values import number, takes, whole


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Logs throughput, the share of time spent waiting for data, and utilisation.

    The log lines get ``clips_per_second`` (``images_per_second``) over all processes, a repeat of
    a video being a clip; ``data_wait_share``, ``data_time`` over ``time``, in [0, 1]; and
    ``utilisation``, in [0, 1]: the model's floating-point operations over what the machine
    would have computed in ``time`` at the rate of a large matrix product, measured at the start
    in the precision of the run. All are means over the iterations of that ``time``, without the
    first one of a run. They are those of the process that logs: where others are slower, it
    waits for them inside its step.

    Where an iteration does not wait for the device (no clipping of gradients, no
    ``amd_mm.NonFiniteLossHook``), a wait for data may hide behind work that is still going on.

    Utilisation is left out where the operations cannot be counted: with sharded weights, and in
    models whose computation hangs on values. A step that is faster than the product was measured
    again beside it, and counts as 1 if it still is (a busy machine, a precision that is emulated).

    Args:
        max_wait: Share of waiting, in (0, 1), above which a warning says, once, what to change.
        warm_up: Iterations of a run that are not judged, at least 1.
        window: Iterations that are judged together, at least 1.

    Attributes:
        flops_by_part: Floating-point operations of a training step over its inputs, by the parts
            of :func:`amd_mm.profiling.count_flops`; empty where they cannot be counted, or before
            the first iteration.
        flops_per_input: Their sum; None where there is none.
        rate: Floating-point operations a second of a large matrix product; None where it is not
            measured.

    Raises:
        ValueError: For a number out of range, or a run without MMEngine's ``IterTimerHook``.
    """

    # After IterTimerHook, before LoggerHook.
    priority = 'NORMAL'

    @takes(max_wait=number(above=0, below=1), warm_up=whole(1), window=whole(1))
    def __init__(self, max_wait: float = .2, warm_up: int = 20, window: int = 50) -> None:
        self.max_wait = max_wait
        self.warm_up = warm_up
        self.window = window

    def before_train(self, runner: Runner) -> None:
        """Measure the machine."""
        if not any(isinstance(hook, IterTimerHook) for hook in runner.hooks):
            raise ValueError('ThroughputHook needs the times that IterTimerHook takes, but the '
                             "run has none; set default_hooks.timer=dict(type='IterTimerHook')")
        self._done = 0
        self._warned = False
        self._waited = self._passed = 0.
        # Of the last iterations: seconds, those of them spent waiting, and inputs.
        self._recent: deque[tuple[float, float, int]] = deque(
            maxlen=runner.log_processor.window_size)
        self.flops_by_part: dict[str, float] = {}
        self.flops_per_input: float | None = None
        weights = next((w for w in runner.model.parameters() if w.is_floating_point()), None)
        self.rate: float | None = None
        if weights is not None and not _is_sharded(runner.model):
            dtype = weights.dtype
            if isinstance(runner.optim_wrapper, AmpOptimWrapper):
                dtype = (runner.optim_wrapper.cast_dtype
                         or torch.get_autocast_dtype(weights.device.type))
            self._measure = partial(matrix_rate, weights.device, dtype, seconds=.1)
            self.rate = self._measure()

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | tuple | list | None = None) -> None:
        """Count, before the first iteration, what one takes."""
        if self._done > 0 or self.rate is None or _inputs(data_batch) == 0:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        try:
            self.flops_by_part = {name: flops / _inputs(data_batch)
                                  for name, flops in _count(model, data_batch).items()}
            self.flops_per_input = sum(self.flops_by_part.values())
        # What a host's model may do, and raise, without values is anyone's guess; no figure in
        # the log is worth a run.
        except Exception as error:
            reason = f'{type(error).__name__}: {error}'.partition('\n')[0]
            runner.logger.info(f'The log has no utilisation, as the operations of '
                               f'{type(model).__name__} cannot be counted ({reason[:200]}).')

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | tuple | list | None = None,
                         outputs: dict | None = None) -> None:
        """Put the figures where the logger finds them; warn if too much is waited."""
        self._done += 1
        if self._done == 1:
            # It starts the workers, compiles, and counted operations.
            return
        hub = runner.message_hub
        seconds, waited = (hub.get_scalar(f'train/{name}').current()
                           for name in ('time', 'data_time'))
        # Our loop also waits inside of an iteration that accumulates.
        waited += getattr(runner.train_loop, 'waited', 0.)
        self._recent.append((seconds, waited, _inputs(data_batch)))
        all_seconds, all_waited, inputs = map(sum, zip(*self._recent, strict=True))
        hub.update_scalar('train/data_wait_share', all_waited / all_seconds)
        if inputs > 0:
            hub.update_scalar(f'train/{_kind(data_batch)}_per_second',
                              inputs * runner.world_size / all_seconds)
        if self.flops_per_input is not None:
            self._log_utilisation(runner, inputs * self.flops_per_input / all_seconds)
        if self._done > self.warm_up and not self._warned:
            self._judge(runner, seconds, waited)

    def _log_utilisation(self, runner: Runner, achieved: float) -> None:
        """``achieved`` operations a second are no more than the machine can do.

        Where they are, it was busy with something else while it was measured: it is measured
        again, and can do at least as much as it just did.
        """
        if self.rate is None:
            return
        if achieved > self.rate:
            self.rate = max(self._measure(), achieved)
        runner.message_hub.update_scalar('train/utilisation', achieved / self.rate)

    def _judge(self, runner: Runner, seconds: float, waited: float) -> None:
        self._passed += seconds
        self._waited += waited
        if (self._done - self.warm_up) % self.window:
            return
        share = self._waited / self._passed
        self._waited = self._passed = 0.
        if share > self.max_wait:
            self._warned = True
            config = runner.cfg.filename or 'CONFIG'
            runner.logger.warning(
                f'{share:.0%} of the time of the last {self.window} iterations was spent waiting '
                f'for data. `python tools/analysis_tools/benchmark_loader.py {config}` shows the '
                'stage that holds it back. Remedies: more workers (train_dataloader.num_workers, '
                f'now {runner.train_dataloader.num_workers} a process), videos that decode faster '
                '(tools/data/prepare_videos.py), another decoder in the pipeline.')


def _is_sharded(model: nn.Module) -> bool:
    """Whether weights, or those of teachers outside of the module tree, are shared out."""
    if is_model_wrapper(model):
        if not isinstance(model, DistributedDataParallel):
            return True
        model = model.module
    parts = [model, *(lesson.teacher for lesson in getattr(model, 'lessons', ()))]
    return any(isinstance(weight, DTensor) for part in parts for weight in part.parameters())


def _count(model: Any, data_batch: Any) -> dict[str, int]:
    """Floating-point operations of an iteration of MMEngine's ``train_step``, by part."""
    device = next(model.parameters()).device
    # Preprocessors ask for sizes and draw (mixup): they work on real data, and leave no trace.
    devices = [device] if device.type == 'cuda' else []
    # mmpretrain's write the mixed labels into the samples.
    data_batch = {name: value if name == 'inputs' else copy.deepcopy(value)
                  for name, value in data_batch.items()}
    with torch.random.fork_rng(devices), seeded(0), torch.no_grad():
        data = model.data_preprocessor(data_batch, True)

    def losses(model: Any) -> dict[str, torch.Tensor]:
        return dict(loss=model.parse_losses(model._run_forward(data, mode='loss'))[0])
    return count_flops(model, losses)


def _inputs(data_batch: dict | tuple | list | None) -> int:
    """How many images or clips; 0 for a batch that is not as OpenMMLab's are."""
    if not isinstance(data_batch, dict) or 'inputs' not in data_batch:
        return 0
    # One a sample; a list of inputs may be one of views.
    return len(data_batch.get('data_samples') or data_batch['inputs'])


def _kind(data_batch: Any) -> str:
    """What the inputs are, by the axes of one: clips have time besides channel and place."""
    first = data_batch['inputs'][0]
    while isinstance(first, (list, tuple)):
        first = first[0]
    return 'clips' if first.ndim > 3 else 'images'
