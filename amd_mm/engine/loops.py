"""Epochs of updates that can be resumed from within."""
import time
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import torch
from mmengine.runner import EpochBasedTrainLoop, FlexibleRunner, Runner
from torch import Tensor, nn
from torch.utils.data import DataLoader

from amd_mm.datasets.lost_workers import batches_of
from amd_mm.datasets.samplers import EpochSampler
from amd_mm.engine.batch import accumulative_counts
from amd_mm.keys import seed_generators, step_key
from amd_mm.registry import LOOPS
from amd_mm.values import instance, list_of, number, optional, takes, whole


class UpdateLoader(DataLoader):
    """A dataloader that is asked for updates: an item is an iterator over the batches of one.

    Its length counts updates; every other attribute is the dataloader's. (A subclass for
    MMEngine's FlexibleRunner, which looks at the type; torch's constructor is not called.)

    Args:
        dataloader: Gives the batches; an epoch holds whole updates.
        counts: Batches of an update, at least 1.
    """

    def __init__(self, dataloader: DataLoader, counts: int) -> None:
        self.dataloader = dataloader
        self.counts = counts

    def __len__(self) -> int:
        return len(self.dataloader) // self.counts

    def __iter__(self) -> Iterator[Iterator[dict]]:  # type: ignore[override]  # of updates
        batches = batches_of(self.dataloader, self._go_on_after)
        for first in batches:
            yield chain([first], islice(batches, self.counts - 1))

    def _go_on_after(self, batches: int) -> None:
        sampler: Any = self.dataloader.sampler
        sampler.leave_out(batches * (self.dataloader.batch_size or 1))

    def __getattr__(self, name: str) -> object:
        return getattr(self.dataloader, name)


@LOOPS.register_module()
class EpochTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop whose iteration is an update of the weights, resumable within an epoch.

    Batches of ``accumulative_counts`` are accumulated inside an iteration: iterations, schedules,
    checkpoints and logged losses (means over its batches) are the same on any number of
    processes with the same global batch. Hooks get the last batch of an iteration, with the data
    samples of all.

    A run that is resumed from any checkpoint (by epoch, or every N iterations) sees the data
    that the uninterrupted one sees, in its order; what was seen before is not loaded again. What
    the process draws in a step (mixup, cutmix, drop path) hangs on a key of (seed, iteration,
    batch, rank): different in every process, and the same after resuming. An epoch leaves out
    what does not fill an update.

    Args:
        runner: The runner of this loop.
        dataloader: Training data with :class:`amd_mm.EpochSampler`.
        max_epochs: Epochs to train for.
        val_begin: First epoch that validates, counted from 1.
        val_interval: Epochs from one validation to the next.
        dynamic_intervals: Pairs of (milestone, interval of validation from there on).
        wait_limit: Seconds, above 0, to wait for a batch of the workers; then the run ends, and
            names the sample that has not come. A ``timeout`` of the dataloader comes before it.
            Shorter than the 10 minutes that other processes wait for this one.

    Raises:
        ValueError: For another sampler, and for an epoch without a whole update.
    """

    @takes(
        runner=instance((Runner, FlexibleRunner), 'a Runner'),
        dataloader=instance((dict, DataLoader), 'a dict or a DataLoader'),
        max_epochs=whole(1),
        val_begin=whole(1),
        val_interval=whole(1),
        dynamic_intervals=optional(list_of(list_of(whole(0), 2), least=0)),
        wait_limit=number(above=0))
    def __init__(self,
                 runner: Runner,
                 dataloader: DataLoader | dict,
                 max_epochs: int,
                 val_begin: int = 1,
                 val_interval: int = 1,
                 dynamic_intervals: Sequence[tuple[int, int]] | None = None,
                 wait_limit: float = 480) -> None:
        self.dataloader: DataLoader
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval,
                         dynamic_intervals)
        if self.dataloader.num_workers > 0 and not self.dataloader.timeout:
            self.dataloader.timeout = wait_limit
        self.sampler = self.dataloader.sampler
        if not isinstance(self.sampler, EpochSampler):
            raise ValueError(
                'the train_dataloader of amd_mm.EpochTrainLoop must have the sampler '
                f'amd_mm.EpochSampler, got {type(self.sampler).__name__}; set '
                "sampler=dict(type='amd_mm.EpochSampler'), or train_cfg=dict(by_epoch=True, ...) "
                'for a loop that cannot resume within an epoch')
        self.counts = accumulative_counts(runner.optim_wrapper)
        self._samples = self.dataloader.batch_size * self.counts
        self.sampler.keep_whole(self._samples)
        self.dataloader = UpdateLoader(self.dataloader, self.counts)
        self._max_iters = self._max_epochs * len(self.dataloader)
        # Of the present iteration: seconds of waiting for batches after its first.
        self.waited = 0.
        # False where the config gives the sampler a seed of its own.
        self._runner_seeds_sampler = not isinstance(dataloader, dict) or (
            dataloader['sampler'].get('seed') is None)

    def run(self) -> nn.Module:
        """Train, from the beginning or from where a checkpoint was saved."""
        if self._runner_seeds_sampler:
            # Without a seed in the config each run draws one; resuming restores the first
            # run's, but only after the sampler was built.
            self.sampler.seed = self._seed
        self._require_same_batches()
        # MMEngine's counts are of batches, and were set from ours.
        self.runner.optim_wrapper.initialize_count_status(
            self.runner.model, self._iter * self.counts, self._max_iters * self.counts)
        return super().run()

    def run_epoch(self) -> None:
        """Run an epoch, or what is left of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first = self._iterations_done()
        self.sampler.start_at(self._epoch, first * self._samples)
        for index, batches in enumerate(self.dataloader, start=first):
            self.run_iter(index, batches)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Iterator[dict]) -> None:
        """Make one update.

        Args:
            idx: Number of the iteration in its epoch.
            data_batch: Its batches.
        """
        self.waited = 0.
        batch = next(data_batch)
        self.runner.call_hook('before_train_iter', batch_idx=idx, data_batch=batch)
        logs, samples = [self._step(batch, 0)], _samples(batch)
        for place in range(1, self.counts):
            asked = time.perf_counter()
            batch = next(data_batch)
            self.waited += time.perf_counter() - asked
            logs.append(self._step(batch, place))
            samples += _samples(batch)
        if self.counts > 1 and isinstance(batch, dict):
            batch = dict(batch, data_samples=samples)
        self.runner.call_hook(
            'after_train_iter', batch_idx=idx, data_batch=batch, outputs=_means(logs))
        self._iter += 1

    def _step(self, batch: dict, number: int) -> dict:
        key = step_key(self._seed, self._iter, number, self.runner.rank)
        seed_generators(key)
        torch.manual_seed(key)  # the accelerators' generators too
        return self.runner.model.train_step(batch, optim_wrapper=self.runner.optim_wrapper)

    @property
    def _seed(self) -> int:
        """The run's seed, the same in every process (MMEngine may have added the rank)."""
        differs = self.runner._randomness_cfg.get('diff_rank_seed', False)
        return self.runner.seed - self.runner.rank * differs

    def _require_same_batches(self) -> None:
        """Remember, in every checkpoint, what an update sees; a resumed run has to see as much.

        Another number of processes is fine where the global batch is the same.
        """
        now = self._samples * self.sampler.world_size
        before = self.runner.message_hub.runtime_info.get('samples_an_iteration', now)
        if self._iter > 0 and before != now:
            raise ValueError(
                f'a run must be resumed with the batch it was started with, {before} samples an '
                f'update over all processes, got {now}; restore global_batch_size, or start a new '
                'run from the weights with load_from')
        self.runner.message_hub.update_info('samples_an_iteration', now)

    def _iterations_done(self) -> int:
        """Iterations of the current epoch that lie before a resumed checkpoint."""
        done = self._iter - self._epoch * len(self.dataloader)
        if not 0 <= done <= len(self.dataloader):
            raise ValueError(
                'a run must be resumed with epochs as long as it was started with: the checkpoint '
                f'is from iteration {self._iter} in epoch {self._epoch + 1}, but an epoch now has '
                f'{len(self.dataloader)} iterations; restore the data set, or start a new run '
                'from the weights with load_from')
        return done


def _samples(batch: dict | tuple | list) -> list:
    """The data samples of a batch that is as OpenMMLab's are, else none."""
    return list(batch.get('data_samples') or ()) if isinstance(batch, dict) else []


def _means(logs: Sequence[dict]) -> dict:
    """The mean of what each batch of an update has logged, without its graph."""
    return {name: sum(map(_value, (log[name] for log in logs))) / len(logs) for name in logs[0]}


def _value(logged: Tensor | float) -> Tensor | float:
    return logged.detach() if isinstance(logged, Tensor) else logged
