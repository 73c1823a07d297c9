"""Decoder from the student's latent tokens to pixels (MAE, section 3; VideoMAE, section 3.3)."""
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from amd_mm.models.blocks import INIT, build_blocks, init_mask_token, predict_tokens
from amd_mm.positions import sincos_positions
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask, gather_tokens, split_prefix
from amd_mm.values import FLAG, takes, whole


@MODELS.register_module()
class PixelDecoder(BaseModule):
    """Predicts the pixels of the masked tokens from the visible ones.

    Owns the mask token, its blocks and the linear layer to pixels. Clips follow VideoMAE
    (no bias in the embedding), images MAE. Positions are fixed and not saved.

    Args:
        in_dims: Width of the latent; filled in by the algorithm.
        grid: The tokens; filled in by the algorithm.
        num_prefix_tokens: Class tokens of the latent; filled in by the algorithm.
        channels: Of the input; filled in by the algorithm.
        embed_dims: Width of the decoder.
        depth: Number of blocks, at least 1.
        num_heads: Attention heads; must divide the width.
        with_cp: Recompute blocks in the backward pass instead of keeping activations.

    Raises:
        ValueError: If the heads do not divide the width.
    """

    @takes(
        in_dims=whole(1),
        grid=GRID,
        num_prefix_tokens=whole(0),
        channels=whole(1),
        embed_dims=whole(1),
        depth=whole(1),
        num_heads=whole(1),
        with_cp=FLAG)
    def __init__(self,
                 in_dims: int,
                 grid: TokenGrid,
                 num_prefix_tokens: int,
                 channels: int,
                 embed_dims: int = 512,
                 depth: int = 8,
                 num_heads: int = 16,
                 with_cp: bool = False) -> None:
        super().__init__(init_cfg=list(INIT))
        self.with_cp = with_cp
        self.grid = grid
        self.num_prefix_tokens = num_prefix_tokens
        self.embed = nn.Linear(in_dims, embed_dims, bias=not grid.is_video)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dims))
        self.register_buffer(
            'pos_embed', sincos_positions(grid, embed_dims, num_prefix_tokens), persistent=False)
        self.blocks = build_blocks(grid, embed_dims, depth, num_heads)
        self.norm = nn.LayerNorm(embed_dims, eps=1e-6)
        self.head = nn.Linear(embed_dims, channels * torch.Size(grid.patch).numel())

    def init_weights(self) -> None:
        """MAE's initial weights, the mask token's too."""
        super().init_weights()
        init_mask_token(self.mask_token, self.grid)

    def forward(self, latent: Tensor, mask: TokenMask) -> Tensor:
        """Pixels of the predicted tokens.

        Args:
            latent: (B, prefix + V, in_dims), the encoder's output at the visible tokens.
            mask: Which tokens they are, and which to predict.

        Returns:
            (B, P, pixels of a token), in the order of ``mask.predicted``; inside a
            token (frame,) row, column, channel.
        """
        prefix_positions, positions = split_prefix(self.pos_embed, self.num_prefix_tokens)
        visible_positions = gather_tokens(positions, mask.visible)
        x = self.embed(latent) + torch.cat(
            [prefix_positions.expand(len(latent), -1, -1), visible_positions], dim=1)
        x = torch.cat([x, self.mask_token + gather_tokens(positions, mask.predicted)], dim=1)
        x = predict_tokens(
            self.blocks, x, mask.predicted.shape[1], self.with_cp and self.training)
        return self.head(self.norm(x))
