"""How healthy features are: whether they differ, in how many directions, and like whose."""
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from amd_mm.report.gathering.features import Features


def measure_health(features: Features) -> dict[str, Any]:
    """Figures of the student's last block, and its likeness to each tap of its teachers.

    Args:
        features: Of the same images all the time.

    Returns:
        ``patch_std``, ``sample_std``, ``effective_rank``, ``width`` and ``cka`` by pair.
    """
    last = features.student[max(features.student)]
    return dict(
        patch_std=spread(last.flatten(0, 1)), sample_std=spread(last.mean(1)),
        effective_rank=effective_rank(last.flatten(0, 1)), width=last.shape[-1],
        cka={f'teacher {name} {theirs}, student {mine}'.replace('  ', ' '):
             cka(features.student[mine].flatten(0, 1), target.flatten(0, 1))
             for name, pairs in features.teachers.items()
             for (mine, theirs), target in pairs.items()})


def spread(features: Tensor) -> float:
    """Standard deviation of a channel of features of length 1, times the root of their number.

    Of features in all directions alike it is 1; of such that are all the same 0 (as in SimSiam,
    arXiv 2011.10566, section 4.1).

    Args:
        features: (n, D), n at least 2.
    """
    unit = F.normalize(features, dim=1)
    return float(unit.std(0).mean() * features.shape[1]**.5)


def effective_rank(features: Tensor) -> float:
    """exp(entropy) of the shares of the covariance's eigenvalues (Roy and Vetterli, 2007).

    Of D directions in use alike it is D, of one 1.

    Args:
        features: (n, D), n at least 2.
    """
    values = torch.linalg.eigvalsh(torch.cov(features.double().T)).clamp_min(0)
    if not values.sum() > 0:
        return 0.
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def cka(left: Tensor, right: Tensor) -> float:
    """Likeness of two sets of features, whatever their directions (Kornblith et al., 2019).

    Linear CKA, in [0, 1].

    Args:
        left: (n, D).
        right: (n, E), of the same patches.
    """
    left, right = ((features - features.mean(0)).double() for features in (left, right))
    shared = (left.T @ right).norm()**2
    own = (left.T @ left).norm() * (right.T @ right).norm()
    return float(shared / own) if own > 0 else 0.
