"""How long processes wait for each other once a run is under way."""
from mmengine.hooks import Hook
from mmengine.runner import Runner

from amd_mm.engine.processes import limit_collectives
from amd_mm.registry import HOOKS


@HOOKS.register_module()
class CollectiveLimitHook(Hook):
    """Lowers the limit of collectives after the first update, which may take longer than others.

    From ``env_cfg.first_batch_timeout`` to ``env_cfg.dist_cfg.timeout`` seconds.
    """

    def before_train(self, runner: Runner) -> None:
        """Wait for the first update."""
        self._is_first = True

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Lower the limit, once."""
        if self._is_first:
            self._is_first = False
            limit_collectives(runner.cfg)
