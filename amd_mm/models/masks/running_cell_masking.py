"""A pattern of 2 x 2 places that runs from frame to frame (VideoMAE V2, section 3.2)."""
import torch
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid
from amd_mm.values import takes


@MODELS.register_module()
class RunningCellMasking(MaskStrategy):
    """Repeats a cell of 2 x 2 places over a frame and moves on by a place in the next.

    VideoMAE V2's choice of what its decoder predicts: ``decoder_strategy`` with
    ``decoder_ratio=0.5``. Other ratios than quarters part some places at random. Where the pattern
    begins hangs on the key.

    Args:
        grid: The tokens, of clips; filled in by the mask generator.

    Raises:
        ValueError: If there are no frames to run over.
    """

    per_frame = False

    @takes(grid=GRID)
    def __init__(self, grid: TokenGrid) -> None:
        super().__init__(grid)
        if not grid.is_video:
            raise ValueError(
                'RunningCellMasking runs from frame to frame and needs clips, got pictures of '
                f"{grid.size} tokens: set model.mask_generator.decoder_strategy='random'.")

    def scores(self, draw: MaskDraw) -> Tensor:
        """As :meth:`MaskStrategy.scores`, (B, N) from 0 to 3."""
        frame, row, column = (torch.arange(length, device=draw.keys.device)
                              for length in self.grid.size)
        begin = hash_positions(draw.keys, 1)[:, :, None, None]
        place = 2 * (row[:, None] % 2) + column % 2
        return ((place + frame[:, None, None] + begin) % 4).flatten(1)
