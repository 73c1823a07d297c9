"""Distance between predicted and true pixels (MAE, section 3; VideoMAE, section 3.3)."""
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.models.losses.distances import DISTANCES
from amd_mm.registry import MODELS
from amd_mm.values import number, one_of, takes


@MODELS.register_module()
class PixelLoss(BaseModule):
    """Mean distance over all predicted values, in float32.

    mmpretrain's ``PixelReconstructionLoss`` fits in its place; it has no weight.

    Args:
        distance: ``'l2'`` (mean squared error: MAE, VideoMAE, DMAE, AMD), ``'l1'`` or
            ``'smooth_l1'``.
        loss_weight: Factor of the result, at least 0.

    Raises:
        ValueError: For an unknown distance or a weight out of range.
    """

    @takes(distance=one_of(*DISTANCES), loss_weight=number(0))
    def __init__(self, distance: str, loss_weight: float) -> None:
        super().__init__()
        self.distance = distance
        self.loss_weight = loss_weight

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, P, pixels of a token) each, to a scalar."""
        return self.loss_weight * DISTANCES[self.distance](prediction.float(), target.float())
