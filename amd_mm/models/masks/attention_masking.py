"""What the teacher looks at stays visible (UMT, semantic masking)."""
import torch
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid
from amd_mm.values import takes

# Steps of attention, which lies in [0, 1], and of exponential numbers; floats hold them all.
_STEPS = 2**24
_LEVELS = 2**16


@MODELS.register_module()
class AttentionMasking(MaskStrategy):
    """Shows tokens with probabilities that are the teacher's attention, in every frame as many.

    Drawn without replacement, as in UMT: the first with probabilities of the attention,
    the next of what is left, and so on. Attention is rounded to 2**-24 and the rest is done in
    numbers that all devices round alike, so that equal attention gives equal masks; what two
    devices compute of a teacher can differ in its last digits, and then a token in some thousands.

    The teacher sees its whole input once for the mask, and then what it is to see for its features.

    Args:
        grid: The tokens; filled in by the mask generator.
    """

    per_frame = True
    needs = 'attention'

    @takes(grid=GRID)
    def __init__(self, grid: TokenGrid) -> None:
        super().__init__(grid)
        uniform = (torch.arange(_LEVELS, dtype=torch.float64) + .5) / _LEVELS
        # In steps of 2**-20, of which floats hold the largest, 11.8; whole, so nothing casts it.
        self.register_buffer(
            'exponential', (-uniform.log() * 2**20).round().int(), persistent=False)
        self.exponential: Tensor

    def scores(self, draw: MaskDraw) -> Tensor:
        """As :meth:`MaskStrategy.scores`, (B, frames, L).

        Exponential numbers over weights: their order is that of such a draw (Efraimidis and
        Spirakis, 2006).
        """
        assert draw.attention is not None
        weights = (draw.attention.float() * _STEPS).round().clamp(min=1)
        luck = hash_positions(draw.keys, self.grid.num_tokens) % _LEVELS
        return (self.exponential[luck].float() / weights).unflatten(1, (self.grid.num_frames, -1))
