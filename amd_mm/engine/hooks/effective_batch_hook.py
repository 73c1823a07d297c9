"""What an update of the weights sees, and the learning rate that goes with it, in the log."""
from mmengine.hooks import Hook
from mmengine.runner import Runner

from amd_mm.engine.batch import accumulative_counts
from amd_mm.registry import HOOKS


@HOOKS.register_module()
class EffectiveBatchHook(Hook):
    """Logs, before training, the batch of one update and the learning rate that goes with it.

    The learning rate of a recipe belongs to a batch counted in samples; repeats of a decoded
    sample (``num_repeats`` of the data set) are named, but do not count there. A batch other
    than the config's ``global_batch_size`` stops the run: a command that builds the runner
    without :func:`amd_mm.engine.build_runner` does not settle the accumulation.
    """

    def before_train(self, runner: Runner) -> None:
        """Log them.

        Raises:
            ValueError: If an update does not see the ``global_batch_size`` of the config.
        """
        per_process = runner.train_dataloader.batch_sampler.batch_size
        counts = accumulative_counts(runner.optim_wrapper)
        batch = per_process * runner.world_size * counts
        wanted = runner.cfg.get('global_batch_size', batch)
        if batch != wanted:
            raise ValueError(
                f'an update must see the global_batch_size of the config, {wanted} samples, got '
                f'{per_process} x {runner.world_size} processes x {counts} accumulated = {batch}; '
                'start by tools/train.py, which settles the accumulation, or set '
                'optim_wrapper.accumulative_counts')
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
        self._judge_rate(runner, batch, rate)

    @staticmethod
    def _judge_rate(runner: Runner, batch: int, rate: float) -> None:
        settings = runner.cfg.get('auto_scale_lr') or {}
        base = settings.get('base_batch_size', batch)
        if batch != base and not settings.get('enable', False):
            runner.logger.warning(
                f'The learning rate {rate:.4g} belongs to {base} samples an update, and an update '
                f'sees {batch}: --auto-scale-lr makes it {rate * batch / base:.4g}.')
