"""Stops a run whose processes have come to train different networks."""
from collections import Counter

import torch
from mmengine.dist import all_gather_object, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor
from torch.distributed.tensor import DTensor

from amd_mm.registry import HOOKS
from amd_mm.values import takes, whole

# By bytes of a number, the whole number with the same bits.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@HOOKS.register_module()
class EqualWeightsHook(Hook):
    """Compares the weights of all processes every N updates, to the last bit.

    Processes begin with equal weights and take equal gradients. Where weights differ, a machine is
    faulty, or something updates them by what one process alone has seen. Compared are sums of the
    bits of each parameter; one process has nothing to compare.

    Args:
        interval: Updates from one comparison to the next, at least 1.

    Raises:
        ValueError: Before training, where weights are shared out over the processes.
    """

    # Before the hooks that save.
    priority = 'VERY_HIGH'

    @takes(interval=whole(1))
    def __init__(self, interval: int = 1000) -> None:
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        """Check that every process has all weights."""
        if any(isinstance(weight, DTensor) for weight in runner.model.parameters()):
            raise ValueError('EqualWeightsHook compares whole weights, but these are shared out '
                             'over the processes (amd_mm.ShardingStrategy); remove the hook')

    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | tuple | list | None = None,
                         outputs: dict | None = None) -> None:
        """Compare, when it is time.

        Raises:
            RuntimeError: In every process, with the first weight that differs and where.
        """
        if get_world_size() == 1 or not self.every_n_train_iters(runner, self.interval):
            return
        names, weights = zip(*runner.model.named_parameters(), strict=True)
        sums = all_gather_object(torch.stack([_sum_of_bits(weight) for weight in weights]).tolist())
        for name, values in zip(names, zip(*sums, strict=True), strict=True):
            common, _ = Counter(values).most_common(1)[0]
            others = [rank for rank, value in enumerate(values) if value != common]
            if others:
                raise RuntimeError(
                    f'weights must be equal in all processes, but after iteration '
                    f'{runner.iter + 1} {name} of process {", ".join(map(str, others))} differs '
                    'from that of most: suspect the memory of that machine, or a module that '
                    'updates weights by itself. Nothing was saved after it; resume from the last '
                    'checkpoint')


def _sum_of_bits(weight: Tensor) -> Tensor:
    """A number that hangs on every bit; whole numbers, whose sum is the same in any order."""
    return weight.detach().contiguous().view(_BITS[weight.element_size()]).sum(dtype=torch.int64)
