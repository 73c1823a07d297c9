"""Distance between student and teacher features (AMD, equations 5-6; DMAE, equation 3)."""
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.models.losses.distances import FEATURE_DISTANCES
from amd_mm.registry import MODELS
from amd_mm.values import number, one_of, takes


@MODELS.register_module()
class FeatureAlignmentLoss(BaseModule):
    """Mean distance of features, computed in float32.

    Args:
        distance: ``'l2'`` (mean squared error, AMD), ``'l1'`` (DMAE), ``'smooth_l1'``, or
            ``'cosine'``: 1 - the cosine of the angle between both, a token at a time (EVA, CVPR
            2023, without the 1).
        normalize: None compares raw features (AMD as released); ``'l2'`` scales both sides
            to length 1 over channels (DMAE); ``'layer_norm'`` normalises the teacher's
            features over channels without affine, which keeps a teacher with
            large features from drowning the pixel loss.
        loss_weight: Factor of the result, at least 0.

    Raises:
        ValueError: For an unknown distance or normalisation, or a weight out of range.
    """

    NORMALIZATIONS = (None, 'l2', 'layer_norm')

    @takes(
        distance=one_of(*FEATURE_DISTANCES),
        normalize=one_of(*NORMALIZATIONS),
        loss_weight=number(0))
    def __init__(self,
                 distance: str,
                 normalize: str | None,
                 loss_weight: float) -> None:
        super().__init__()
        self.distance = distance
        self.normalize = normalize
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Features (B, K, D) each, to a scalar."""
        student, teacher = student.float(), teacher.float()
        if self.normalize == 'l2':
            student, teacher = F.normalize(student, dim=-1), F.normalize(teacher, dim=-1)
        elif self.normalize == 'layer_norm':
            teacher = F.layer_norm(teacher, teacher.shape[-1:], eps=1e-6)
        return self.loss_weight * FEATURE_DISTANCES[self.distance](student, teacher)
