"""Names the process that the others of a run wait for."""
import time
from statistics import median

import torch
from mmengine.dist import all_gather, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from amd_mm.meeting import current
from amd_mm.registry import HOOKS
from amd_mm.values import number, takes, whole


@HOOKS.register_module()
class SlowRankHook(Hook):
    """Warns, once for each, of a process whose steps hold up the others.

    Processes that share gradients have steps of equal length. What a process takes for itself is
    what comes before: its batch and the forward pass, on the device's own clock where it has one.
    The means of ``interval`` updates are compared; the first update is left out.

    Args:
        interval: Updates that are judged together, at least 1.
        max_share: Share of a step, in (0, 1), that the others may wait for one process.

    Raises:
        ValueError: For a number out of range.
    """

    # After the hooks that wait for others at the end of a step.
    priority = 'LOWEST'

    @takes(interval=whole(1), max_share=number(above=0, below=1))
    def __init__(self, interval: int = 50, max_share: float = .1) -> None:
        self.interval = interval
        self.max_share = max_share

    def before_train(self, runner: Runner) -> None:
        """Begin to watch the forward pass."""
        self._named: set[int] = set()
        self._done = 0
        if get_world_size() > 1:
            model = runner.model
            self._clock = _ForwardClock(model.module if is_model_wrapper(model) else model)
            self._begin()

    def before_train_epoch(self, runner: Runner) -> None:
        """What was done between epochs is not of a step."""
        self._resume()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Validation is not of a step."""
        self._resume()

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Compare, when it is time."""
        if get_world_size() == 1:
            return
        now = time.perf_counter()
        self._until_batch += (self._clock.first or now) - self._resumed
        self._steps += now - self._resumed
        self._done += 1
        if self._done == 1:  # starts workers, compiles
            self._begin()
        elif (self._done - 1) % self.interval == 0:
            self._judge(runner)
            self._begin()
        self._resume()

    def after_train(self, runner: Runner) -> None:
        """Watch no more."""
        if get_world_size() > 1:
            self._clock.remove()

    def _begin(self) -> None:
        self._until_batch = self._steps = 0.
        self._clock.read()
        self._resume()

    def _resume(self) -> None:
        if get_world_size() > 1:
            self._resumed = time.perf_counter()
            self._clock.first = None

    def _judge(self, runner: Runner) -> None:
        own = torch.tensor([self._until_batch, self._clock.read(), self._steps],
                           dtype=torch.float64) / self.interval
        ranks = torch.stack(all_gather(own)).tolist()
        takes = [until + forward for until, forward, _ in ranks]
        slow = max(range(len(takes)), key=takes.__getitem__)
        others = median(taken for rank, taken in enumerate(takes) if rank != slow)
        until, _, step = ranks[slow]
        share = (takes[slow] - others) / step
        if share <= self.max_share or slow in self._named:
            return
        self._named.add(slow)
        meeting = current()
        name = f'rank {slow}' if meeting is None else meeting.names[slow]
        runner.logger.warning(
            f'{name} is slow: the others wait for it {share:.0%} of the time. Before gradients are '
            f'shared it takes {takes[slow]:.3f} s of a step of {step:.3f} s, {until:.3f} s of them '
            f'until it has its batch; the others take {others:.3f} s (means of {self.interval} '
            'updates). Look at the disk, the load and the clock rates of its machine.')


class _ForwardClock:
    """Seconds of a module's forward passes: the device's where they run on an accelerator.

    Args:
        model: Its parameters say the device.

    Attributes:
        first: When the first pass of a step began, by ``time.perf_counter``.
    """

    def __init__(self, model: nn.Module) -> None:
        device = next(model.parameters()).device
        self._events = torch.get_device_module(device) if device.type != 'cpu' else None
        self.first: float | None = None
        self._began: object = 0.
        self._passes: list[tuple] = []
        self._handles = [model.register_forward_pre_hook(self._begin),
                         model.register_forward_hook(self._end)]

    def read(self) -> float:
        """Seconds since it was read last."""
        if self._events is None:
            total = sum(end - began for began, end in self._passes)
        else:
            self._events.synchronize()
            total = sum(began.elapsed_time(end) for began, end in self._passes) / 1000
        self._passes = []
        return total

    def remove(self) -> None:
        """Leave the module alone."""
        for handle in self._handles:
            handle.remove()

    def _begin(self, *args: object) -> None:
        self.first = self.first or time.perf_counter()
        self._began = self._now()

    def _end(self, *args: object) -> None:
        self._passes.append((self._began, self._now()))

    def _now(self) -> object:
        if self._events is None:
            return time.perf_counter()
        event = self._events.Event(enable_timing=True)
        event.record()
        return event
