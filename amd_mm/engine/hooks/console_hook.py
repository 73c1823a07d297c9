"""Tells the console where a run is."""
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from amd_mm.console import Console
from amd_mm.engine.header import testing_header, training_header
from amd_mm.report import Record

# Of what the logger keeps, in this order.
_FIGURES = ('loss', 'lr')


class ConsoleHook(Hook):
    """Starts the console when everything is built, loaded and checked, and moves its bars.

    Args:
        console: Within its context.
        changes: What was changed for this machine, in words.
    """

    priority = 'LOWEST'  # after the hooks that look for mistakes, count and log

    def __init__(self, console: Console, changes: Sequence[str] = ()) -> None:
        self._console = console
        self._changes = changes
        self._has_header = False

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Show the header, once the first batch is there and its operations are counted."""
        if not self._has_header:
            self._has_header = True
            self._console.start(training_header(runner, self._changes))
            self._advance(runner, runner.iter)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        """Move the bar of training."""
        self._advance(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Leave the epoch's figures in view."""
        self._console.end_epoch()

    def after_train(self, runner: Runner) -> None:
        """Say what was reached, and where to look."""
        self._console.finish('training')
        page = Record(runner.work_dir).page
        self._console.show(f'done: {runner.iter} updates, {runner.epoch} epochs; '
                           f'checkpoints and logs are in {runner.work_dir}'
                           + (f', pictures and what to type next in {page}' if page.is_file()
                              else ''))

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                       outputs: Any = None) -> None:
        """Move the bar of validation."""
        self._console.progress('validation', batch_idx + 1, len(runner.val_dataloader))

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Take the bar of validation away."""
        self._console.finish('validation')

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Show the header of a test, once its first batch is there."""
        if not self._has_header:
            self._has_header = True
            self._console.start(testing_header(runner, self._changes))

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                        outputs: Any = None) -> None:
        """Move the bar of a test."""
        self._console.progress('test', batch_idx + 1, len(runner.test_dataloader))

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Take the bar of a test away."""
        self._console.finish('test')

    def _advance(self, runner: Runner, done: int) -> None:
        if not self._console.is_terminal:
            return
        scalars = runner.message_hub.log_scalars
        figures = [f'{name} {scalars[f"train/{name}"].current():.4g}'
                   for name in _FIGURES if f'train/{name}' in scalars]
        self._console.progress('training', done, runner.max_iters, '  '.join(figures))
