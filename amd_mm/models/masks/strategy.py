"""What every mask strategy is: scores that say which places are seen first."""
from abc import ABCMeta, abstractmethod
from typing import ClassVar, Literal, NamedTuple

from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.tokens import TokenGrid


class MaskDraw(NamedTuple):
    """What a strategy is given for a batch.

    Attributes:
        keys: (B,) int64 sample keys; all randomness comes from them.
        num_seen: How many of the L places will be seen: what comes first.
        images: (B, C, (T,) H, W), normalised; None if the strategy does not need them.
        attention: (B, N), what the teacher attends to; None likewise.
    """
    keys: Tensor
    num_seen: int
    images: Tensor | None = None
    attention: Tensor | None = None


class MaskStrategy(BaseModule, metaclass=ABCMeta):
    """Scores places: the lowest are seen by the student, the next by teachers, the last by none.

    The generator cuts the order at fixed counts, so a strategy decides which places are seen and
    never how many. L places are scored: those of one frame if ``per_frame``, else all tokens.
    To add one: a subclass in a file of its own that says ``per_frame`` and :meth:`scores`. Scores
    hang on the draw alone, by operations that give the same on every device (whole numbers, or
    floats without sums), and nothing of them goes to the host.

    Args:
        grid: The tokens; filled in by the mask generator.

    Attributes:
        per_frame: Whether every frame shows as many tokens: the same places, or others if scores
            are given frame by frame.
        needs: ``'images'``, ``'attention'`` (of a teacher), or None, of what it looks at beside
            the keys.
    """

    per_frame: ClassVar[bool]
    needs: ClassVar[Literal['images', 'attention'] | None] = None

    def __init__(self, grid: TokenGrid) -> None:
        super().__init__()
        self.grid = grid

    @property
    def length(self) -> int:
        """L, places of which a fixed number is seen."""
        return self.grid.per_frame if self.per_frame else self.grid.num_tokens

    @abstractmethod
    def scores(self, draw: MaskDraw) -> Tensor:
        """A number for every place; places of equal scores come in an order of the key's.

        Args:
            draw: Keys, and what the strategy needs.

        Returns:
            (B, L), or (B, frames, L) where every frame of a clip shows places of its own.
        """


def sort_places(scores: Tensor, keys: Tensor) -> Tensor:
    """Places by ascending score, equal ones in an order that hangs on the key.

    Args:
        scores: (B, ..., L).
        keys: (B,) int64.

    Returns:
        (B, ..., L) int64, a permutation of 0 to L - 1 in every row.
    """
    shuffled = hash_positions(keys, scores.shape[1:].numel()).view(scores.shape).argsort(dim=-1)
    order = scores.gather(-1, shuffled).argsort(dim=-1, stable=True)
    return shuffled.gather(-1, order)
