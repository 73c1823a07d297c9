"""Whether the rates of a run fit its network."""
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from amd_mm.engine.settings_check import check_rates
from amd_mm.registry import HOOKS


@HOOKS.register_module()
class RatesHook(Hook):
    """Refuses rates for layers and parts that the network does not have, before the first step."""

    def before_run(self, runner: Runner) -> None:
        """Compare ``paramwise_cfg`` and the model.

        Raises:
            ValueError: If they do not fit, see :func:`~amd_mm.engine.settings_check.check_rates`.
        """
        model = runner.model
        check_rates(runner.cfg, model.module if is_model_wrapper(model) else model)
