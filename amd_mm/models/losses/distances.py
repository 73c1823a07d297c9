"""Distances that losses of pixels and of features can be told to measure."""
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    l2=F.mse_loss, l1=F.l1_loss, smooth_l1=F.smooth_l1_loss)


def require_distance(name: str) -> None:
    """Raise a ValueError unless ``name`` is one of :data:`DISTANCES`."""
    if name not in DISTANCES:
        raise ValueError(f'distance must be one of {tuple(DISTANCES)}, got {name!r}.')
