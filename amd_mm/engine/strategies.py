"""Students too large for one GPU: weights, gradients and optimizer shared out."""
import os
from typing import Any

from mmengine._strategy import DDPStrategy, SingleDeviceStrategy
from mmengine.device import get_device
from mmengine.dist import is_main_process
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import fully_shard

from amd_mm.models.blocks import BLOCKS
from amd_mm.registry import STRATEGIES

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@STRATEGIES.register_module()
class ShardingStrategy(DDPStrategy):
    """Training with torch's ``fully_shard`` (FSDP2), for MMEngine's ``FlexibleRunner``.

    Every process keeps its share of the weights, gradients and optimizer state, and fetches
    the weights of a transformer block when it is that block's turn. Checkpoints are whole, as
    those of any other run, and go to another number of processes.

    MMEngine's own ``FSDPStrategy`` (0.10.7) wraps torch's older FSDP, which flattens what it
    shares out: the recipes would give no tensor weight decay (``flat_decay_mult``) and clip
    each share by its own norm, and resuming fails, since torch has since changed the order of
    arguments.

    The arguments are those of MMEngine's ``DDPStrategy``.
    """

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        """Shard in place; the frozen teacher, which is outside the tree, moves along."""
        model = self.convert_model(model.to(get_device()))
        for block in model.modules():
            if isinstance(block, BLOCKS):
                fully_shard(block)
        fully_shard(model)
        return model

    def model_state_dict(self) -> dict:
        """The whole weights in the first process, nothing in the others."""
        return get_model_state_dict(self.model, options=_WHOLE)

    def optim_state_dict(self) -> dict:
        """The whole state, by names of parameters, in the first process."""
        return get_optimizer_state_dict(
            self.model, self.optim_wrapper.optimizer, options=_WHOLE)

    def load_model_state_dict(self, state_dict: dict, *, strict: bool = False,
                              revise_keys: list | None = None) -> None:
        """Load whole weights; names are taken as they are."""
        set_model_state_dict(
            self.model, state_dict, options=StateDictOptions(full_state_dict=True, strict=strict))

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Load the whole state of an optimizer."""
        set_optimizer_state_dict(
            self.model, self.optim_wrapper.optimizer, state_dict,
            options=StateDictOptions(full_state_dict=True))

    def save_checkpoint(self, filename: str, **kwargs: Any) -> None:
        """Save a whole checkpoint; all processes have to take part, the first one writes."""
        SingleDeviceStrategy.save_checkpoint(
            self, filename if is_main_process() else os.devnull, **kwargs)
