"""Distance between relations of tokens (TinyMIM, section 3: Kullback-Leibler divergence)."""
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.registry import MODELS
from amd_mm.values import number, takes


@MODELS.register_module()
class RelationLoss(BaseModule):
    """Divergence of the student's relations from the teacher's, in float32.

    Each row of a matrix becomes a distribution over tokens (softmax); the divergence is summed over
    it, and averaged over rows, heads and samples.

    Args:
        loss_weight: Factor of the result, at least 0.
    """

    @takes(loss_weight=number(0))
    def __init__(self, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Scaled products (B, heads, N, N) each, to a scalar."""
        student, teacher = student.float().log_softmax(-1), teacher.float().log_softmax(-1)
        divergence = F.kl_div(student, teacher, reduction='none', log_target=True)
        return self.loss_weight * divergence.sum(-1).mean()
