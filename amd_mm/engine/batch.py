"""The batch of one update of the weights, from the config and the number of processes."""
import os
from typing import NamedTuple

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.runner import FlexibleRunner, Runner
from torch import distributed

# Where a launcher tells its processes how many they are.
_WORLD_SIZE = dict(pytorch='WORLD_SIZE', slurm='SLURM_NTASKS', mpi='OMPI_COMM_WORLD_SIZE')


class Update(NamedTuple):
    """What one update of the weights sees, in samples.

    Attributes:
        per_process: Of a batch of one process.
        processes: How many there are.
        counts: Batches that a process accumulates.
        repeats: Inputs that are made of a sample; they do not count in :attr:`samples`.
    """
    per_process: int
    processes: int
    counts: int
    repeats: int

    @property
    def samples(self) -> int:
        """Samples over all processes and batches."""
        return self.per_process * self.processes * self.counts

    def __str__(self) -> str:
        return (f'{self.per_process} samples x {self.processes} processes x {self.counts} '
                f'accumulated = {self.samples} samples an update '
                f'(x {self.repeats} repeats = {self.samples * self.repeats})')


def update_of(runner: Runner) -> Update:
    """What an update of a training run sees."""
    return Update(
        runner.train_dataloader.batch_sampler.batch_size, runner.world_size,
        accumulative_counts(runner.optim_wrapper),
        getattr(runner.train_dataloader.dataset, 'num_repeats', 1))


def rate_of(runner: Runner) -> float:
    """The largest learning rate, after a warm-up.

    Layer decay gives groups smaller rates; the largest is the recipe's. Schedulers keep it as
    initial_lr while they warm up from less.
    """
    groups = runner.optim_wrapper.optimizer.param_groups
    return max(group.get('initial_lr', group['lr']) for group in groups)


def accumulative_counts(optim_wrapper: OptimWrapper | dict) -> int:
    """Batches whose gradients make one update.

    Args:
        optim_wrapper: The wrapper, or its config where it is not built yet.
    """
    if isinstance(optim_wrapper, OptimWrapper):
        return optim_wrapper._accumulative_counts
    return optim_wrapper.get('accumulative_counts', 1)


def count_processes(launcher: str) -> int:
    """Processes of the run, which need not have met yet.

    Args:
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
    """
    if distributed.is_initialized():
        return distributed.get_world_size()
    return 1 if launcher == 'none' else int(os.environ[_WORLD_SIZE[launcher]])


def settle_accumulation(cfg: Config) -> None:
    """Set ``optim_wrapper.accumulative_counts`` so that an update sees ``global_batch_size``.

    Changes the config in place; one without a global batch stays as it is.

    Args:
        cfg: With ``global_batch_size`` (samples an update over all processes; a video counts
            once, however many repeats it gives), ``train_dataloader.batch_size`` (samples a
            process loads at a time) and ``launcher``.

    Raises:
        ValueError: If the batches of all processes do not make up the global batch.
    """
    wanted = cfg.get('global_batch_size')
    if wanted is None or cfg.get('train_dataloader') is None:
        return
    cfg.optim_wrapper.accumulative_counts = batches_an_update(
        wanted, cfg.train_dataloader.batch_size, count_processes(cfg.get('launcher', 'none')))


def batches_an_update(global_batch: int, batch_size: int, processes: int) -> int:
    """Batches that each process accumulates.

    Args:
        global_batch: Samples an update over all processes.
        batch_size: Samples of one batch of one process.
        processes: How many there are.

    Raises:
        ValueError: If that is no whole number.
    """
    at_once = batch_size * processes
    if global_batch < 1 or global_batch % at_once:
        raise ValueError(
            f'global_batch_size must be a multiple of train_dataloader.batch_size x processes, '
            f'got {global_batch} and {batch_size} x {processes} = {at_once}; change '
            'train_dataloader.batch_size or the number of processes, or global_batch_size (its '
            'learning rate goes with it by --auto-scale-lr)')
    return global_batch // at_once


def count_accumulation(runner: Runner | FlexibleRunner) -> None:
    """Make the runner's automatic learning rate count gradient accumulation.

    MMEngine scales the rate by batch size x processes over ``base_batch_size``. To be called
    between building a runner and training with it. The config is left as it is, so that the
    one dumped into the work dir can be used again.
    """
    # MMEngine's FlexibleRunner leaves the scaling to its strategy.
    owner, name = ((runner.strategy, '_auto_scale_lr') if isinstance(runner, FlexibleRunner)
                   else (runner, 'auto_scale_lr'))
    settings = getattr(owner, name)
    if settings and settings.get('enable', False):
        base = settings['base_batch_size']
        counts = accumulative_counts(runner.optim_wrapper)
        setattr(owner, name, dict(enable=True, base_batch_size=base / counts))
