"""Distances that losses of pixels and of features can be told to measure."""
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    l2=F.mse_loss, l1=F.l1_loss, smooth_l1=F.smooth_l1_loss)


def cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - cosine similarity over the last axis, averaged over the others: in [0, 2]."""
    return 1 - F.cosine_similarity(prediction, target, dim=-1).mean()


# Of features: pixels of a token have no direction.
FEATURE_DISTANCES = dict(DISTANCES, cosine=cosine)
