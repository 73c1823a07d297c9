"""Finds updates that would break a run, says where they come from, and stops or skips them."""
import math
from pathlib import Path
from statistics import median
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from amd_mm.engine.faults import StepRecorder, replay, write_fault
from amd_mm.registry import HOOKS
from amd_mm.values import number, one_of, optional, takes, whole

# Updates among which skipped ones are counted.
_SPAN = 1000


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops, or skips, an update whose loss or gradient is not finite, or whose loss jumps.

    The decision falls after the gradients are there and before the weights change, and is the
    same in every process: gradients are means over all of them, and the loss is made one. A
    second pass over the batch then tells the first module whose numbers are not finite, the
    sample, and the range of its input. The batch, the weights, and the states of the random
    generators are written to ``faults/`` of the work dir, by every process that finds something,
    or else by the first one; ``tools/replay.py FILE`` does that pass again.

    Weights are looked at after every update, too: a finite gradient can still lead out of
    range. The hook comes before those that save, and before those delete an older checkpoint,
    so the last good checkpoint stays.

    With ``float16``, MMEngine's scaling of the loss leaves out updates with an infinite gradient
    by itself, while it looks for its factor; they are no fault.

    Args:
        action: ``'stop'``, or ``'skip'``: leave the weights and the state of the optimizer as they
            are and go on, in all processes.
        max_skipped: Skipped updates among 1,000 in a row, at least 1; the next one stops the run.
        max_jump: The loss of an update, over the median of the last ``window`` ones, from which it
            is a fault too, above 1. None: the loss may jump.
        window: Updates of that median, at least 1; before there are as many, nothing jumps.
        max_kept: Batches of an update that are kept for a second pass, the last ones, at least 1.
    """

    priority = 'VERY_HIGH'

    @takes(action=one_of('stop', 'skip'), max_skipped=whole(1), max_jump=optional(number(above=1)),
           window=whole(1), max_kept=whole(1))
    def __init__(self, action: str = 'stop', max_skipped: int = 10, max_jump: float | None = None,
                 window: int = 50, max_kept: int = 4) -> None:
        self.action = action
        self.max_skipped = max_skipped
        self.max_jump = max_jump
        self.window = window
        self.max_kept = max_kept

    def before_train(self, runner: Runner) -> None:
        """Listen to the model and the optimizer."""
        self._runner = runner
        self._recorder = StepRecorder(_unwrapped(runner.model), self.max_kept)
        # In checkpoints: a resumed run decides as the one that it goes on with.
        hub = runner.message_hub
        self._history: dict[str, list] = hub.runtime_info.get(
            'loss_history', dict(losses=[], skipped=[]))
        hub.update_info('loss_history', self._history)
        self._handle = runner.optim_wrapper.optimizer.register_step_pre_hook(self._before_update)

    def after_train(self, runner: Runner) -> None:
        """Listen no longer."""
        self._handle.remove()
        self._recorder.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: dict | tuple | list | None = None) -> None:
        """Begin an update."""
        self._recorder.clear()

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | tuple | list | None = None,
                         outputs: dict | None = None) -> None:
        """Check the weights.

        Raises:
            FloatingPointError: If one of them is NaN or infinite.
        """
        weights = [weight.detach() for weight in runner.model.parameters() if weight.requires_grad]
        if not torch.isfinite(get_total_norm(weights)):
            raise FloatingPointError(self._message(
                'the weights hold NaN or infinity after an update whose loss and gradient were '
                'finite'))

    def _before_update(self, optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
        """Look at the loss and the gradient of all processes, once, before weights change."""
        loss = self._recorder.loss()
        if loss is None:  # a step that nobody trained for
            return
        gradients = [weight.grad for group in optimizer.param_groups for weight in group['params']
                     if weight.grad is not None]
        total = get_total_norm(gradients)
        norm = total.full_tensor() if isinstance(total, DTensor) else total
        if get_world_size() > 1:
            all_reduce(loss, 'mean')
        # The only look at the device.
        mean_loss, mean_norm = torch.stack([loss, norm.to(loss)]).tolist()
        reason = self._fault(mean_loss, mean_norm)
        if reason:
            self._deal_with(reason, optimizer)
        elif self.max_jump is not None:
            self._history['losses'][:] = [*self._history['losses'], mean_loss][-self.window:]
        self._recorder.clear()

    def _fault(self, loss: float, norm: float) -> str:
        """What is wrong with an update, the same in every process; empty if nothing is."""
        if not math.isfinite(loss):
            return f'the loss is {loss}'
        if not math.isfinite(norm):
            return f'the loss is {loss:.6g}, but the norm of its gradient is {norm}'
        losses = self._history['losses']
        if self.max_jump is not None and len(losses) == self.window and (
                loss > self.max_jump * median(losses)):
            return (f'the loss is {loss:.6g}, more than {self.max_jump:g} times the median of the '
                    f'last {self.window} updates, {median(losses):.6g}')
        return ''

    def _deal_with(self, reason: str, optimizer: Optimizer) -> None:
        """Find where it comes from, keep it, and stop or skip the update, in all processes.

        Raises:
            FloatingPointError: To stop.
        """
        finding, largest = self._look_again()
        # A process that sees nothing wrong has no part in it, unless none does.
        found = all_gather_object((finding, largest))
        writes = bool(finding) or (get_rank() == 0 and not any(one for one, _ in found))
        file = self._write(reason, finding or largest) if writes else None
        # Nobody ends before all have written.
        files = all_gather_object(file)
        words = '. '.join(
            f'{f"In process {rank}: " if len(found) > 1 else ""}{one or other}. '
            f'Kept in {name}; `python tools/replay.py {name}` does it again'
            for rank, ((one, other), name) in enumerate(zip(found, files, strict=True)) if name)
        iteration = self._runner.iter
        skipped = [one for one in self._history['skipped'] if one > iteration - _SPAN]
        may_skip = self.action == 'skip' and len(skipped) < self.max_skipped
        if not may_skip or not self._can_be_skipped():
            raise FloatingPointError(self._message(f'{reason}. {words}'))
        for group in optimizer.param_groups:
            for weight in group['params']:
                weight.grad = None  # which optimizers pass over
        self._history['skipped'][:] = [*skipped, iteration]
        self._runner.logger.warning(
            f'Update {iteration + 1} is skipped, {len(skipped) + 1} of at most {self.max_skipped} '
            f'among {_SPAN} updates: {reason}. {words}.')

    def _look_again(self) -> tuple[str, str]:
        """Where numbers are not finite, and where the largest is, of this process's batches."""
        model, largest = _unwrapped(self._runner.model), ''
        for batch in self._recorder.batches:
            if batch.data is None:
                continue
            with self._recorder.paused():
                again = replay(model, batch)
            values = ', '.join(f'{name} = {value:.6g}' for name, value in sorted(
                (name, float(value)) for name, value in batch.losses.items()) if name != 'loss')
            if again.finding:
                return f'{values}. The first numbers that are not finite: {again.finding}', ''
            largest = (f'{values}. A second pass over the batch gives finite numbers, the largest '
                       f'{again.largest}')
        return '', largest or 'No batch was kept'

    def _write(self, reason: str, finding: str) -> str:
        runner, model = self._runner, _unwrapped(self._runner.model)
        path = Path(runner.work_dir, 'faults', f'iter_{runner.iter + 1}_rank_{get_rank()}.pth')
        write_fault(path, runner.cfg.pretty_text, model, self._recorder.batches, reason=reason,
                    finding=finding, iteration=runner.iter + 1, epoch=runner.epoch + 1,
                    process=get_rank(), processes=get_world_size())
        return str(path)

    def _can_be_skipped(self) -> bool:
        """Whether the forward pass left the model sound: running statistics have seen the batch."""
        model = _unwrapped(self._runner.model)
        statistics = [value for name, value in model.named_buffers() if 'running_' in name]
        return all(all_gather_object(all(map(_is_finite, statistics))))

    def _message(self, what: str) -> str:
        runner = self._runner
        checkpoint = runner.message_hub.runtime_info.get('last_ckpt')
        kept = (f'The last good checkpoint is {checkpoint}; resume from it'
                if checkpoint else 'No checkpoint was saved yet; start again')
        return (f'The loss must stay finite, but at iteration {runner.iter + 1} (epoch '
                f'{runner.epoch + 1}): {what}. Nothing was saved after it. {kept} with a lower '
                'learning rate, a longer warm-up or a smaller clip_grad.max_norm, '
                "and with bfloat16 rather than float16; or skip such updates (action='skip' of "
                'NonFiniteLossHook).')


def _is_finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())


def _unwrapped(model: nn.Module) -> Any:
    """The model itself: a wrapper would wait for the other processes."""
    return model.module if is_model_wrapper(model) else model
