"""Epochs that can be resumed from within."""
from collections.abc import Sequence

from mmengine.hooks import CheckpointHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from amd_mm.datasets.samplers import EpochSampler
from amd_mm.engine.batch import accumulative_counts
from amd_mm.registry import LOOPS


@LOOPS.register_module()
class EpochTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop, with epochs that a resumed run continues where they were left.

    A run that is resumed from any checkpoint (by epoch, or every N iterations) sees the data
    that the uninterrupted one sees, in its order; what was seen before is not loaded again.
    That takes whole updates of the weights in an epoch and before a checkpoint: an epoch
    leaves out what does not fill an update of ``batch_size`` x processes x
    ``accumulative_counts`` samples.

    Args:
        runner: The runner of this loop.
        dataloader: Training data with :class:`amd_mm.EpochSampler`.
        max_epochs: Epochs to train for.
        val_begin: First epoch that validates, counted from 1.
        val_interval: Epochs from one validation to the next.
        dynamic_intervals: Pairs of (milestone, interval of validation from there on).

    Raises:
        ValueError: For another sampler, and for checkpoints between two updates.
    """

    def __init__(self,
                 runner: Runner,
                 dataloader: DataLoader | dict,
                 max_epochs: int,
                 val_begin: int = 1,
                 val_interval: int = 1,
                 dynamic_intervals: Sequence[tuple[int, int]] | None = None) -> None:
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval,
                         dynamic_intervals)
        self.sampler = self.dataloader.sampler
        if not isinstance(self.sampler, EpochSampler):
            raise ValueError(
                'the train_dataloader of amd_mm.EpochTrainLoop must have the sampler '
                f'amd_mm.EpochSampler, got {type(self.sampler).__name__}; set '
                "sampler=dict(type='amd_mm.EpochSampler'), or train_cfg=dict(by_epoch=True, ...) "
                'for a loop that cannot resume within an epoch')
        counts = accumulative_counts(runner.optim_wrapper)
        _require_checkpoints_after_updates(runner, counts)
        self.sampler.keep_whole(self.dataloader.batch_size * counts)
        self._max_iters = self._max_epochs * len(self.dataloader)
        # False where the config gives the sampler a seed of its own.
        self._runner_seeds_sampler = self.sampler.seed == runner.seed

    def run(self):
        """Train, from the beginning or from where a checkpoint was saved."""
        if self._runner_seeds_sampler:
            # Without a seed in the config each run draws one; resuming restores the first
            # run's, but only after the sampler was built.
            self.sampler.seed = self.runner.seed
        self._require_same_batches()
        return super().run()

    def run_epoch(self) -> None:
        """Run an epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first = self._iterations_done()
        self.sampler.start_at(self._epoch, first * self.dataloader.batch_size)
        for batch_index, data_batch in enumerate(self.dataloader, start=first):
            self.run_iter(batch_index, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _require_same_batches(self) -> None:
        """Remember, in every checkpoint, what an iteration sees; a resumed run has to see as much.

        Another number of processes is fine where the global batch is the same.
        """
        now = self.dataloader.batch_size * self.sampler.world_size
        before = self.runner.message_hub.runtime_info.get('samples_an_iteration', now)
        if self._iter > 0 and before != now:
            raise ValueError(
                f'a run must be resumed with the batch it was started with, {before} samples an '
                f'iteration over all processes, got {now}; restore batch_size x processes, or '
                'start a new run from the weights with load_from')
        self.runner.message_hub.update_info('samples_an_iteration', now)

    def _iterations_done(self) -> int:
        """Iterations of the current epoch that lie before a resumed checkpoint."""
        done = self._iter - self._epoch * len(self.dataloader)
        if not 0 <= done <= len(self.dataloader):
            raise ValueError(
                'a run must be resumed with epochs as long as it was started with: the checkpoint '
                f'is from iteration {self._iter} in epoch {self._epoch + 1}, but an epoch now has '
                f'{len(self.dataloader)} iterations; restore the data set and batch_size x '
                'processes, or start a new run from the weights with load_from')
        return done


def _require_checkpoints_after_updates(runner: Runner, counts: int) -> None:
    for hook in runner.hooks:
        by_iteration = isinstance(hook, CheckpointHook) and not hook.by_epoch
        if by_iteration and hook.interval > 0 and hook.interval % counts:
            raise ValueError(
                'checkpoints must be saved after an update of the weights: the interval of '
                f'CheckpointHook, {hook.interval} iterations, is no multiple of '
                f'accumulative_counts, {counts}; make it one')
