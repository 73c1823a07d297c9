"""Distances that losses of pixels and of features can be told to measure."""
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    l2=F.mse_loss, l1=F.l1_loss, smooth_l1=F.smooth_l1_loss)
