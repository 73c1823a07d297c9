"""What lies between student and teacher."""
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.tokens import TokenMask


class Neck(BaseModule, metaclass=ABCMeta):
    """Compares what is read of a student with what is read of a teacher.

    It is built with the facts that the algorithm fills in (``student_dims``, ``teacher_dims``,
    ``num_pairs``, ``grid``, ``with_cp``), and sees what was read, never the networks.

    Attributes:
        reads: What is read at the taps: ``'features'``, outputs of blocks, or ``'relations'``,
            queries, keys and values of their attention.
        align_cls_token: Whether the class token is compared.
        generates: Whether it predicts what only the teacher sees.
        takes_raw_features: Whether a loss has the scale of the teacher's features.
    """

    reads: ClassVar[str]
    align_cls_token: bool
    generates: bool
    takes_raw_features: bool

    @property
    def is_observing(self) -> bool:
        """Whether it still gathers statistics of what is read of the teacher."""
        return False

    def observe(self, teacher_features: Sequence[Any], mask: TokenMask) -> None:
        """Gather them, before the losses of the same batch.

        Args:
            teacher_features: As in :meth:`loss`.
            mask: As in :meth:`loss`.
        """

    @abstractmethod
    def loss(self, features: Sequence[Any], teacher_features: Sequence[Any],
             mask: TokenMask) -> dict[str, Tensor]:
        """The losses by name.

        Args:
            features: What was read of the student, one a pair of taps, over ``mask.visible``.
            teacher_features: Of the teacher, over ``mask.teacher_visible``.
            mask: Which tokens these are.
        """

    def pair_losses(self, features: Sequence[Any], teacher_features: Sequence[Any],
                    mask: TokenMask) -> dict[str, dict[int, Tensor]]:
        """The losses by name and pair of taps, counted from 0; of one pair, those of :meth:`loss`.

        Args:
            features: As in :meth:`loss`.
            teacher_features: As in :meth:`loss`.
            mask: As in :meth:`loss`.
        """
        assert len(features) == 1, 'a neck of several pairs says what each of them loses'
        return {name: {0: loss}
                for name, loss in self.loss(features, teacher_features, mask).items()}
