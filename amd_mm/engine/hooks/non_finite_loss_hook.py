"""Stops a run that has broken down."""
import math

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.utils import get_total_norm

from amd_mm.registry import HOOKS


@HOOKS.register_module()
class NonFiniteLossHook(Hook):
    """Stops at the first iteration whose loss, or whose weights afterwards, are not finite.

    The weights are looked at too because a finite loss can have an infinite gradient, and
    because in a distributed run the loss of another process counts: weights are the same in
    all of them. It comes before the hooks that save, and before those delete an older
    checkpoint, so the last good checkpoint stays.
    """

    priority = 'VERY_HIGH'

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | tuple | list | None = None,
                         outputs: dict | None = None) -> None:
        """Check the losses of the iteration, and the weights after it.

        Raises:
            FloatingPointError: If one of them is NaN or infinite.
        """
        assert outputs is not None
        # Their sum is finite only if each loss is: one look at the device where all is well.
        if not math.isfinite(outputs['loss'].item()):
            values = {name: value.item() for name, value in outputs.items() if 'loss' in name}
            bad = [f'{name} = {value}' for name, value in values.items()
                   if name != 'loss' and not math.isfinite(value)]
            raise FloatingPointError(
                self._message(runner, ', '.join(bad) or f'their sum = {values["loss"]}'))

        weights = [weight.detach() for weight in runner.model.parameters() if weight.requires_grad]
        if not torch.isfinite(get_total_norm(weights)):
            raise FloatingPointError(self._message(
                runner, 'the weights hold NaN or infinity although the loss of this process is '
                'finite: the gradient was not, or another process had such a loss'))

    @staticmethod
    def _message(runner: Runner, what: str) -> str:
        checkpoint = runner.message_hub.runtime_info.get('last_ckpt')
        kept = (f'The last good checkpoint is {checkpoint}; resume from it'
                if checkpoint else 'No checkpoint was saved yet; start again')
        return (f'The loss must stay finite, but at iteration {runner.iter + 1} (epoch '
                f'{runner.epoch + 1}): {what}. Nothing was saved after it. {kept} with a lower '
                'learning rate, a longer warm-up or a smaller clip_grad.max_norm, '
                'and with bfloat16 rather than float16.')
