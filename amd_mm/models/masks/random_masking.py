"""Any tokens of the input (MAE, section 3)."""
from torch import Tensor

from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid
from amd_mm.values import takes


@MODELS.register_module()
class RandomMasking(MaskStrategy):
    """Shows any tokens of the input, all equally likely; ``'random'`` for short.

    Args:
        grid: The tokens; filled in by the mask generator.
    """

    per_frame = False

    @takes(grid=GRID)
    def __init__(self, grid: TokenGrid) -> None:
        super().__init__(grid)

    def scores(self, draw: MaskDraw) -> Tensor:
        """Equal ones (B, N)."""
        return draw.keys.new_zeros(len(draw.keys), self.length)
