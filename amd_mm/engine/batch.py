"""How many samples an update of the weights sees, and what that does to the learning rate."""
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmengine.runner import FlexibleRunner, Runner

from amd_mm.registry import HOOKS


def accumulative_counts(optim_wrapper: OptimWrapper | dict) -> int:
    """Iterations whose gradients make one update.

    Args:
        optim_wrapper: The wrapper, or its config where it is not built yet.
    """
    if isinstance(optim_wrapper, OptimWrapper):
        return optim_wrapper._accumulative_counts
    return optim_wrapper.get('accumulative_counts', 1)


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


@HOOKS.register_module()
class EffectiveBatchHook(Hook):
    """Logs, before training, the batch of one update and the learning rate that goes with it.

    The learning rate of a recipe belongs to a batch counted in samples; repeats of a decoded
    sample (``num_repeats`` of the data set) are named, but do not count there.
    """

    def before_train(self, runner: Runner) -> None:
        """Log them."""
        per_process = runner.train_dataloader.batch_sampler.batch_size
        counts = accumulative_counts(runner.optim_wrapper)
        batch = per_process * runner.world_size * counts
        repeats = getattr(runner.train_dataloader.dataset, 'num_repeats', 1)
        # Layer decay gives groups smaller rates; the largest is the recipe's. Schedulers keep
        # it as initial_lr while they warm up from less.
        groups = runner.optim_wrapper.optimizer.param_groups
        rate = max(group.get('initial_lr', group['lr']) for group in groups)
        now = max(group['lr'] for group in groups)
        runner.logger.info(
            f'Effective batch: {per_process} samples x {runner.world_size} processes x '
            f'{counts} accumulated = {batch} samples an update '
            f'(x {repeats} repeats = {batch * repeats}). '
            f'Learning rate: {rate:.4g}, at this start {now:.4g}.')
