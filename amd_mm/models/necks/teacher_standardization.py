"""A teacher's features with mean 0 and variance 1 (PHI-S, arXiv 2410.01680)."""
from typing import Any

import torch
from mmengine.dist import all_reduce, broadcast
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.registry import MODELS
from amd_mm.values import one_of, takes, whole

# Of the mean variance, what the variance of a channel is taken for at least: some never change.
_LEAST = 1e-6


def hadamard(order: int) -> Tensor:
    """A matrix (order, order) of 1 and -1 whose rows are orthogonal, in float64.

    Constructions of Sylvester (twice the order) and Paley (1 + q or 2 + 2 q for a prime q).

    Raises:
        ValueError: If they give none of this order.
    """
    one = torch.ones(1, 1, dtype=torch.float64)
    two = torch.tensor([[1., 1.], [1., -1.]], dtype=torch.float64)
    doubled, rest = one, order
    while True:
        small = _paley(rest) if rest > 1 else one
        if small is not None:
            return torch.kron(doubled, small)
        if rest % 2:
            raise ValueError(
                f'No Hadamard matrix of order {order} is known here, which phi_s needs for a '
                "teacher of this width: set method='channels'.")
        doubled, rest = torch.kron(doubled, two), rest // 2


def _paley(order: int) -> Tensor | None:
    """Paley's matrix of an order, or None: of the residues modulo a prime."""
    for prime, rest in ((order - 1, 3), (order // 2 - 1, 1)):
        if prime % 4 != rest or any(prime % d == 0 for d in range(2, int(prime**.5) + 1)):
            continue
        squares = {n * n % prime for n in range(1, prime)}
        character = torch.tensor(
            [0.] + [1. if n in squares else -1. for n in range(1, prime)], dtype=torch.float64)
        places = torch.arange(prime)
        core = torch.zeros(prime + 1, prime + 1, dtype=torch.float64)
        core[1:, 1:] = character[(places[:, None] - places) % prime]
        core[0, 1:] = 1
        if rest == 3:
            core[1:, 0] = -1
            return core + torch.eye(order, dtype=torch.float64)
        if order % 2:
            continue
        core[1:, 0] = 1
        signs = torch.tensor([[1., 1.], [1., -1.]], dtype=torch.float64)
        others = torch.tensor([[1., -1.], [-1., -1.]], dtype=torch.float64)
        return torch.kron(core, signs) + torch.kron(
            torch.eye(prime + 1, dtype=torch.float64), others)
    return None


@MODELS.register_module()
class TeacherStandardization(BaseModule):
    """Standardises a teacher's features, by statistics of the first samples of training.

    - ``'channels'``: every channel by its own mean and deviation.
    - ``'phi_s'``: the mean is removed, and the rest divided by one number, the root of the mean
      variance, so that no direction counts more than it did. A rotation (Hadamard matrix times the
      basis of principal components) gives every channel the same variance, 1.

    Statistics are gathered from every batch over all processes until ``samples`` were seen; then
    they stay. They are buffers, saved with the student: a resumed run goes on with them.

    Args:
        dims: Width D of the teacher; filled in by the neck.
        method: One of the above.
        samples: Pictures or clips to gather from, at least 1.

    Raises:
        ValueError: If there is no Hadamard matrix of the teacher's width.
    """

    num_samples: Tensor
    num_tokens: Tensor
    mean: Tensor
    spread: Tensor
    matrix: Tensor

    @takes(dims=whole(1), method=one_of('channels', 'phi_s'), samples=whole(1))
    def __init__(self, dims: int, method: str, samples: int) -> None:
        super().__init__()
        self.method = method
        self.samples = samples
        self.rotates = method == 'phi_s'
        # The products of deviations, or their squares, and what is multiplied with.
        shape = (dims, dims) if self.rotates else (dims, )
        self.register_buffer('num_samples', torch.tensor(0))
        self.register_buffer('num_tokens', torch.tensor(0))
        self.register_buffer('mean', torch.zeros(dims))
        self.register_buffer('spread', torch.zeros(shape))
        self.register_buffer('matrix', torch.eye(dims) if self.rotates else torch.ones(dims))
        self.hadamard = hadamard(dims) / dims**.5 if self.rotates else None
        self._is_settled = False

    @property
    def is_settled(self) -> bool:
        """Whether enough samples were seen."""
        # Read from the device no more often than needed.
        self._is_settled = self._is_settled or self.num_samples.item() >= self.samples
        return self._is_settled

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._is_settled = False

    @torch.no_grad()
    def observe(self, features: Tensor) -> None:
        """Gather statistics of (B, N, D); all processes have to call together.

        Features that are not finite change nothing, here and in the other processes.
        """
        tokens = features.flatten(0, 1).float()
        totals = torch.tensor([len(features), len(tokens)], device=tokens.device)
        total = tokens.sum(0)
        all_reduce(totals, 'sum')
        all_reduce(total, 'sum')
        samples, number = totals
        mean = total / number
        spread = self._products(tokens - mean)
        all_reduce(spread, 'sum')
        if not (mean.isfinite().all() and spread.isfinite().all()):
            return
        both = self.num_tokens + number
        step = mean - self.mean
        self.spread += spread + self._products(step[None]) * (self.num_tokens * number / both)
        self.mean += step * (number / both)
        self.num_samples += samples
        self.num_tokens += number
        self.matrix.copy_(self._matrix(self.spread / both))
        broadcast(self.matrix)

    def forward(self, features: Tensor) -> Tensor:
        """(B, N, D) of the teacher to as many, standardised, in float32."""
        with torch.autocast(features.device.type, enabled=False):
            centred = features.float() - self.mean
            return centred @ self.matrix.T if self.rotates else centred * self.matrix

    def _products(self, deviations: Tensor) -> Tensor:
        """Summed over (N, D): (D, D) products, or (D,) squares."""
        if self.rotates:
            with torch.autocast(deviations.device.type, enabled=False):
                return deviations.T @ deviations
        return deviations.square().sum(0)

    def _matrix(self, covariance: Tensor) -> Tensor:
        """What centred features are multiplied with."""
        if not self.rotates:
            least = _LEAST * covariance.mean()
            return covariance.clamp_min(least.clamp_min(_LEAST**2)).rsqrt()
        assert self.hadamard is not None
        basis = torch.linalg.eigh(covariance.double()).eigenvectors.flip(1)
        # Of two opposite directions one, so that a basis found anew is the same.
        largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
        basis = basis * largest.sign()
        scale = covariance.diagonal().double().mean().clamp_min(_LEAST**2).rsqrt()
        return scale * self.hadamard.to(basis.device) @ basis.T
