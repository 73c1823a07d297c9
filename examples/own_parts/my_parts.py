"""A loss and a mask strategy of one's own; see docs/custom.md."""
import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

from amd_mm.models.masks import MaskDraw, MaskStrategy


@MODELS.register_module()
class CharbonnierAlignment(nn.Module):
    """Mean of sqrt(d^2 + epsilon^2) - epsilon of differences d: l2 where small, l1 where large."""

    def __init__(self, epsilon: float, loss_weight: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Features (B, K, D) each, to a scalar."""
        difference = student.float() - teacher.float()
        distance = (difference.square() + self.epsilon**2).sqrt() - self.epsilon
        return self.loss_weight * distance.mean()


@MODELS.register_module()
class RimFirst(MaskStrategy):
    """Shows the rim of every frame, the outermost places first."""

    per_frame = True

    def scores(self, draw: MaskDraw) -> Tensor:
        """(B, L): how deep inside each place of a frame lies; the lowest are seen first."""
        rows, columns = self.grid.size[-2:]
        row = torch.arange(rows, device=draw.keys.device)
        column = torch.arange(columns, device=draw.keys.device)
        down = torch.minimum(row, rows - 1 - row)
        across = torch.minimum(column, columns - 1 - column)
        depth = torch.minimum(down[:, None], across[None])
        return depth.flatten().expand(len(draw.keys), -1)
