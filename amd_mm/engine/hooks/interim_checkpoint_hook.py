"""Checkpoints within an epoch: when a run is told to stop, and every so many minutes."""
import copy
import signal
import time
from pathlib import Path

import torch
from mmengine.dist import all_reduce, barrier, is_main_process
from mmengine.hooks import CheckpointHook, EMAHook, Hook
from mmengine.runner import Runner

from amd_mm.engine.hooks.whole_checkpoint_hook import WholeCheckpointHook
from amd_mm.registry import HOOKS
from amd_mm.stopping import Stopped, stop_signals
from amd_mm.values import number, optional, takes


@HOOKS.register_module()
class InterimCheckpointHook(Hook):
    """Saves where a run is when it is told to stop, and every so many minutes.

    SIGTERM, SIGUSR1, SIGUSR2, SIGHUP or Ctrl-C, in one process of the run or in all: the step
    under way ends, one checkpoint with its place in the epoch is saved, and every process ends
    with status 75 (:class:`amd_mm.stopping.Stopped`). A run that is resumed from it goes on as if
    it had not been stopped; a validation that was cut off is made first.

    They are saved as MMEngine's ``CheckpointHook`` of the run saves, as ``iter_N.pth``; a newer
    one replaces an older one, beside those that hook keeps. Without that hook nothing is saved.

    Args:
        minutes: From one checkpoint to the next, above 0, by the first process's clock; None for
            those of stopping alone.

    Raises:
        ValueError: For minutes out of range.
    """

    # After the hooks that save by epoch and iteration.
    priority = 'LOWEST'

    @takes(minutes=optional(number(above=0)))
    def __init__(self, minutes: float | None = 30) -> None:
        self.minutes = minutes
        self._saved_at = 0.
        self._shared_val_iters = 0

    def before_run(self, runner: Runner) -> None:
        """Take the signals, if the command has not."""
        stop_signals.take()

    def before_train(self, runner: Runner) -> None:
        """Make the validation that was cut off."""
        self._saved_at = time.monotonic()
        stop_signals.wait_for_step()
        if runner.message_hub.runtime_info.get('validation_due', False):
            runner.message_hub.update_info('validation_due', False)
            if runner.val_loop is not None:
                runner.val_loop.run()

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | tuple | list | None = None,
                         outputs: dict | None = None) -> None:
        """Save when asked to.

        Raises:
            Stopped: After saving, if one of the processes was told to stop.
        """
        stop, due = self._agree()
        if stop or due:
            saved = self._save(runner, runner.iter + 1)
            if stop:
                self._end(stop, runner.iter + 1, saved)

    def before_val_epoch(self, runner: Runner) -> None:
        """Learn how many iterations every process has."""
        # Not in the middle of training alone: validating a checkpoint is not a run to go on with.
        iterations = torch.tensor(len(runner.val_dataloader))
        all_reduce(iterations, 'min')
        self._shared_val_iters = int(iterations)

    def after_val_iter(self, runner: Runner, batch_idx: int,
                       data_batch: dict | tuple | list | None = None,
                       outputs: object = None) -> None:
        """Leave the validation of a run that is told to stop.

        Raises:
            Stopped: After saving, if one of the processes was told to stop.
        """
        if batch_idx >= self._shared_val_iters:
            return
        stop, _ = self._agree()
        if stop:
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook._swap_ema_parameters()  # as after_val_epoch, which needs metrics
            runner.message_hub.update_info('validation_due', True)
            self._end(stop, runner.iter, self._save(runner, runner.iter))

    def after_run(self, runner: Runner) -> None:
        """Give the signals back."""
        stop_signals.give_back()

    def _agree(self) -> tuple[int, bool]:
        """The signal that any process got (0: none), and whether the first one's time is up."""
        due = self.minutes is not None and is_main_process() and (
            time.monotonic() - self._saved_at > 60 * self.minutes)
        state = torch.tensor([int(stop_signals.received or 0), int(due)])
        all_reduce(state, 'max')
        return int(state[0]), bool(state[1])

    def _save(self, runner: Runner, done: int) -> str | None:
        """Save after ``done`` iterations; where it is, None without a hook that saves."""
        saver = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        if saver is None:
            return None
        self._saved_at = time.monotonic()
        _settle(saver, runner)
        info = runner.message_hub.runtime_info
        if not saver.by_epoch and info.get('last_ckpt') == _place(saver, done) and (
                not info.get('validation_due', False)):
            return str(info['last_ckpt'])
        saver = copy.copy(saver)
        # Ours are not counted among those it keeps.
        saver.by_epoch, saver.max_keep_ckpts, saver.filename_tmpl = False, -1, 'iter_{}.pth'
        earlier, place = info.get('interim_checkpoint'), _place(saver, done)
        runner.message_hub.update_info('interim_checkpoint', place)
        saver._save_checkpoint_with_step(runner, done, dict(epoch=runner.epoch, iter=done))
        _settle(saver, runner)
        barrier()
        if earlier is not None and earlier != place and is_main_process():
            Path(earlier).unlink(missing_ok=True)
        return place

    @staticmethod
    def _end(number: int, done: int, saved: str | None) -> None:
        name = signal.Signals(number).name
        kept = f'saved {saved}; go on with --resume' if saved else (
            'nothing is saved, as the run has no CheckpointHook')
        raise Stopped(f'stopped by {name} after iteration {done}: {kept}')


def _place(saver: CheckpointHook, done: int) -> str:
    return saver.file_backend.join_path(saver.out_dir, saver.filename_tmpl.format(done))


def _settle(saver: CheckpointHook, runner: Runner) -> None:
    """Wait for what is written in the background."""
    if isinstance(saver, WholeCheckpointHook):
        saver.settle(runner)
