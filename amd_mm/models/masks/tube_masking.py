"""The same places in every frame (VideoMAE, section 3.3)."""
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid
from amd_mm.values import takes


@MODELS.register_module()
class TubeMasking(MaskStrategy):
    """Shows the same places of every frame, all equally likely; ``'tube'`` for short.

    Args:
        grid: The tokens; filled in by the mask generator.
    """

    per_frame = True

    @takes(grid=GRID)
    def __init__(self, grid: TokenGrid) -> None:
        super().__init__(grid)

    def scores(self, draw: MaskDraw) -> Tensor:
        """Random ones (B, L), which a decoder's choice of whole tubes goes by too."""
        return hash_positions(draw.keys, self.length)
