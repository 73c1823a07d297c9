"""mmaction2's VideoMAE transformer, able to encode only the tokens it may see."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.models.backbones.vit_mae import VisionTransformer
from mmengine.model import ModuleList
from mmengine.utils import to_2tuple
from torch import Tensor, nn

from amd_mm.checkpoints import Architecture, layout_named, load_pretrained
from amd_mm.checkpoints.facts import SEQUENCE, activation_of
from amd_mm.models.blocks import (
    INIT,
    INIT_CFG,
    NORM,
    SIDES,
    Projections,
    VideoBlock,
    check_size,
    freeze_behind_projections,
    project,
    run_blocks,
)
from amd_mm.positions import resize_positions, sincos_positions
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, gather_patches, gather_tokens
from amd_mm.values import CONFIG, FLAG, number, optional, takes, whole


@MODELS.register_module()
class VideoVisionTransformer(VisionTransformer):
    """The host's video ViT plus :meth:`encode`; parameter names are the host's.

    Attention runs through torch's fused operator, in fine-tuning too. Fine-tuning
    needs nothing but ``init_cfg=dict(type='Pretrained', checkpoint=...,
    prefix='backbone.')``, with this class (which checks every key) or the host's.

    Args:
        img_size: Pixels of a side, a multiple of ``patch_size``, or (rows, columns).
        patch_size: Pixels of one patch's side.
        in_channels: Channels of the input.
        embed_dims: Width D.
        depth: Number of blocks.
        num_heads: Attention heads; must divide the width.
        mlp_ratio: Hidden width of the MLPs over D.
        qkv_bias: Whether queries and values have a bias.
        qk_scale: Scale of the attention logits; None: 1 / sqrt(D / num_heads).
        drop_rate: Dropout after projections and positions, in [0, 1).
        attn_drop_rate: Dropout of attention weights, in [0, 1).
        drop_path_rate: Stochastic depth of the last block, in [0, 1).
        norm_cfg: The norms.
        init_values: Initial layer scale; 0 is none.
        use_learnable_pos_emb: Positions are parameters instead of VideoMAE's fixed table.
        num_frames: Frames of a clip, a multiple of ``tubelet_size``.
        tubelet_size: Frames of one token.
        use_mean_pooling: True (fine-tuning): mean of the tokens, then ``fc_norm``;
            False (pre-training): ``norm`` after the last block.
        return_feat_map: :meth:`forward` returns (B, D, T', H', W'), for detection.
        frozen: Whether nothing of it learns: no gradient, always in eval mode.
        with_cp: Recompute blocks in the backward pass instead of keeping activations.
        init_cfg: The host's way; ``Pretrained`` is checked strictly.

    Raises:
        ValueError: If the input is not a multiple of patch and tubelet, the width not one of
            the heads, or there is no block.
    """

    num_prefix_tokens = 0
    layout = layout_named('amd_mm', 'video')
    final_norm_name, pooling_norm_name = 'norm', 'fc_norm'

    @takes(
        img_size=SIDES,
        patch_size=whole(1),
        in_channels=whole(1),
        embed_dims=whole(1),
        depth=whole(1),
        num_heads=whole(1),
        mlp_ratio=number(above=0),
        qkv_bias=FLAG,
        qk_scale=optional(number(above=0)),
        drop_rate=number(0, below=1),
        attn_drop_rate=number(0, below=1),
        drop_path_rate=number(0, below=1),
        norm_cfg=CONFIG,
        init_values=number(0),
        use_learnable_pos_emb=FLAG,
        num_frames=whole(1),
        tubelet_size=whole(1),
        use_mean_pooling=FLAG,
        return_feat_map=FLAG,
        frozen=FLAG,
        with_cp=FLAG,
        init_cfg=INIT_CFG)
    def __init__(self,
                 img_size: int | tuple[int, int] = 224,
                 patch_size: int = 16,
                 in_channels: int = 3,
                 embed_dims: int = 768,
                 depth: int = 12,
                 num_heads: int = 12,
                 mlp_ratio: float = 4.,
                 qkv_bias: bool = True,
                 qk_scale: float | None = None,
                 drop_rate: float = 0.,
                 attn_drop_rate: float = 0.,
                 drop_path_rate: float = 0.,
                 norm_cfg: dict = NORM,
                 init_values: float = 0.,
                 use_learnable_pos_emb: bool = False,
                 num_frames: int = 16,
                 tubelet_size: int = 2,
                 use_mean_pooling: bool = True,
                 return_feat_map: bool = False,
                 frozen: bool = False,
                 with_cp: bool = False,
                 init_cfg: dict | list[dict] | None = INIT) -> None:
        check_size(embed_dims, depth, num_heads)
        grid = TokenGrid.of_input((num_frames, *to_2tuple(img_size)),
                                  (tubelet_size, patch_size, patch_size))
        super().__init__(
            img_size=patch_size,  # the host's input is square; positions follow below
            patch_size=patch_size,
            in_channels=in_channels,
            embed_dims=embed_dims,
            depth=0,
            num_heads=num_heads,
            drop_rate=drop_rate,
            norm_cfg=norm_cfg,
            use_learnable_pos_emb=use_learnable_pos_emb,
            num_frames=num_frames,
            tubelet_size=tubelet_size,
            use_mean_pooling=use_mean_pooling,
            return_feat_map=return_feat_map,
            init_cfg=init_cfg)
        self.grid = grid
        self.grid_size = grid.size[1:]
        self.pos_embed: Tensor
        if use_learnable_pos_emb:
            self.pos_embed = nn.Parameter(nn.init.trunc_normal_(
                torch.empty(1, grid.num_tokens, embed_dims), std=.02))
        else:
            self.pos_embed = sincos_positions(grid, embed_dims)
        self.with_cp = with_cp
        self.blocks = ModuleList(
            VideoBlock(
                embed_dims,
                num_heads,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                qk_scale=qk_scale,
                drop_rate=drop_rate,
                attn_drop_rate=attn_drop_rate,
                drop_path_rate=rate,
                init_values=float(init_values),
                norm_cfg=norm_cfg)
            for rate in torch.linspace(0, drop_path_rate, depth).tolist())
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False)
        self.train()

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def final_norm_layer(self) -> nn.Module | None:
        """The norm after the last block, where there is one."""
        return None if isinstance(self.norm, nn.Identity) else self.norm

    @property
    def pooling_norm(self) -> nn.Module | None:
        """The norm after mean pooling, which only fine-tuning has."""
        return self.fc_norm

    @property
    def new_norms(self) -> tuple[str, ...]:
        """Norms that start anew when a student is fine-tuned; for detection the last one too."""
        both = (self.final_norm_name, self.pooling_norm_name)
        return both if self.return_feat_map else both[1:]

    @property
    def architecture(self) -> Architecture:
        """What a checkpoint has to fit."""
        block = self.blocks[0]
        return Architecture(
            modality='video',
            width=self.embed_dims,
            depth=self.depth,
            mlp_width=block.mlp.layers[1].in_features,
            patch=self.grid.patch[-1],
            channels=self.patch_embed.projection.in_channels,
            tubelet=self.grid.patch[0],
            class_token=False,
            num_positions=self.pos_embed.shape[1],
            image_size=self.grid.frame_size,
            num_frames=self.grid.input_size[0],
            num_heads=block.attn.num_heads,
            activation=activation_of(block.mlp),
            norm_eps=block.norm1.eps,
            qk_scale=block.attn.scale,
            positions=None if isinstance(self.pos_embed, nn.Parameter) else SEQUENCE)

    def train(self, mode: bool = True) -> 'VideoVisionTransformer':
        """As torch's, but a frozen one stays in eval mode."""
        return super().train(mode and not self.frozen)

    def init_weights(self) -> None:
        """VideoMAE's initial weights, or the checkpoint's, every key of which must fit."""
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained':
            load_pretrained(self, **{k: v for k, v in self.init_cfg.items() if k != 'type'})
            return
        super().init_weights()

    def forward(self, x: Tensor) -> Tensor:
        """Encode whole clips, as the host does, with recomputation where asked for.

        Args:
            x: (B, C, T, H, W) clips, normalised. Positions are interpolated in time and
                space for another T, H or W than the backbone was built for.

        Returns:
            (B, D), or (B, D, T', H', W') with ``return_feat_map``.
        """
        size = tuple(n // p for n, p in zip(x.shape[2:], self.grid.patch, strict=True))
        tokens = self.patch_embed(x)[0]
        tokens = self.pos_drop(tokens + resize_positions(self.pos_embed, self.grid.size, size))
        tokens, _ = run_blocks(self.blocks, tokens, with_cp=self.with_cp and self.training)
        tokens = self.norm(tokens)
        if self.return_feat_map:
            return tokens.transpose(1, 2).reshape(*tokens.shape[::2], *size)
        if self.fc_norm is not None:
            return self.fc_norm(tokens.mean(1))
        return tokens[:, 0]

    def encode(self, x: Tensor, token_ids: Tensor,
               taps: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """Encode some tokens only; the others cost nothing, not even embedding.

        Args:
            x: (B, C, T, H, W) clips, normalised.
            token_ids: (B, V) int64, the tokens to see.
            taps: Blocks, counted from 1, whose raw outputs are wanted.

        Returns:
            Latent (B, V, D), after the final norm where there is one, and a list of
            (B, V, D) features, one a tap.
        """
        latent, features = run_blocks(
            self.blocks, self._embed(x, token_ids), taps, self.with_cp and self.training)
        return self.norm(latent), features

    def project(self, x: Tensor, token_ids: Tensor, tap: int) -> Projections:
        """Queries, keys and values of a block; nothing behind them is computed.

        Args:
            x: As in :meth:`encode`.
            token_ids: As in :meth:`encode`.
            tap: The block, counted from 1.

        Returns:
            (B, V, heads, D / heads) each.
        """
        *before, block = self.blocks[:tap]
        tokens, _ = run_blocks(
            before, self._embed(x, token_ids), with_cp=self.with_cp and self.training)
        return project(block, tokens)

    def _embed(self, x: Tensor, token_ids: Tensor) -> Tensor:
        """(B, V, D), what the first block is given."""
        embedding = self.patch_embed.projection
        patches = gather_patches(x, token_ids, self.grid).flatten(2)
        tokens = F.linear(patches, embedding.weight.flatten(1), embedding.bias)
        return self.pos_drop(tokens + gather_tokens(self.pos_embed, token_ids))

    def drop_final_norm(self) -> None:
        """Remove the norm after the last block, for uses that read raw features only."""
        self.norm = nn.Identity()

    def truncate(self, depth: int) -> None:
        """Keep the first ``depth`` blocks and no final norm."""
        self.blocks = self.blocks[:depth]
        self.drop_final_norm()

    def freeze_behind_projections(self) -> None:
        """Let nothing learn behind the queries, keys and values of the last block."""
        self.drop_final_norm()
        freeze_behind_projections(self.blocks[-1])
