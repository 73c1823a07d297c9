"""What an update of the weights sees, and the learning rate that goes with it, in the log."""
from mmengine.hooks import Hook
from mmengine.optim import LinearLR
from mmengine.runner import Runner

from amd_mm.engine.batch import rate_of, update_of
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
        update = update_of(runner)
        batch = update.samples
        wanted = runner.cfg.get('global_batch_size', batch)
        if batch != wanted:
            raise ValueError(
                f'an update must see the global_batch_size of the config, {wanted} samples, got '
                f'{update.per_process} x {update.processes} processes x {update.counts} '
                f'accumulated = {batch}; start by amd-mm train, which settles the accumulation, '
                'or set optim_wrapper.accumulative_counts')
        rate = rate_of(runner)
        now = max(group['lr'] for group in runner.optim_wrapper.optimizer.param_groups)
        runner.logger.info(f'Effective batch: {update}. Learning rate: {rate:.4g}, at this start '
                           f'{now:.4g}.')
        self._judge_rate(runner, batch, rate)
        self._judge_warm_up(runner)

    @staticmethod
    def _judge_rate(runner: Runner, batch: int, rate: float) -> None:
        settings = runner.cfg.get('auto_scale_lr') or {}
        base = settings.get('base_batch_size', batch)
        if batch != base and not settings.get('enable', False):
            runner.logger.warning(
                f'The learning rate {rate:.4g} belongs to {base} samples an update, and an update '
                f'sees {batch}: --auto-scale-lr makes it {rate * batch / base:.4g}.')

    @staticmethod
    def _judge_warm_up(runner: Runner) -> None:
        """MMEngine's LinearLR goes up from its second step on; one of one step never does."""
        built = runner.param_schedulers
        for phase in built if isinstance(built, list) else []:
            if isinstance(phase, LinearLR) and not phase.total_iters and (
                    phase.start_factor < phase.end_factor):
                runner.logger.warning(
                    f'The warm-up takes a single step, so that the rate stays '
                    f'{phase.start_factor:g} of what it should be to the end: give it two or more '
                    '(`end` of the first phase in param_scheduler), or take it out.')
