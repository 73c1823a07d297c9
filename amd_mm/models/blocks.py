"""Transformer blocks: the hosts', with attention through torch's fused operator."""
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmaction.models.backbones.vit_mae import Attention, Block
from mmengine.model import BaseModule, ModuleList
from mmpretrain.models.backbones.vision_transformer import TransformerEncoderLayer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from amd_mm.tokens import TokenGrid, from_windows, to_windows
from amd_mm.values import MAPPING, either, list_of, optional, whole

NORM = dict(type='LN', eps=1e-6)
# MAE and VideoMAE: linear layers Xavier-uniform with zero bias, norms 1 and 0.
INIT = [dict(type='Xavier', layer='Linear', distribution='uniform', bias=0.),
        dict(type='Constant', layer='LayerNorm', val=1., bias=0.)]


def attend(x: Tensor, weight: Tensor, bias: Tensor | None, num_heads: int,
           num_read: int | None = None, dropout: float = 0.,
           scale: float | None = None) -> Tensor:
    """Multi-head self-attention by torch's fused operator, without the N x N matrix.

    Args:
        x: (B, N, D).
        weight: (3D, D), to queries, keys and values.
        bias: (3D,) or None.
        num_heads: Attention heads.
        num_read: Queries are the last so many tokens; None: all.
        dropout: Of attention weights, in [0, 1).
        scale: Of the logits; None: 1 / sqrt(D / num_heads).

    Returns:
        (B, N or num_read, D), before the output projection.
    """
    if num_read is None:
        queries, keys_values = F.linear(x, weight, bias).split([x.shape[-1], 2 * x.shape[-1]], -1)
    else:
        sizes = [x.shape[-1], 2 * x.shape[-1]]
        weights = weight.split(sizes)
        biases = (None, None) if bias is None else bias.split(sizes)
        queries = F.linear(x[:, -num_read:], weights[0], biases[0])
        keys_values = F.linear(x, weights[1], biases[1])
    q, k, v = (t.unflatten(-1, (num_heads, -1)).transpose(1, 2)
               for t in (queries, *keys_values.chunk(2, -1)))
    x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scale)
    return x.transpose(1, 2).flatten(2)


class Projections(NamedTuple):
    """What the attention of a block works on, each (B, N, heads, D / heads)."""
    queries: Tensor
    keys: Tensor
    values: Tensor


class VideoAttention(Attention):
    """mmaction2's VideoMAE attention through :func:`attend`; same parameters."""

    def forward(self, x: Tensor, num_read: int | None = None) -> Tensor:
        """(B, N, D) to (B, N, D), or to the last ``num_read`` tokens of it."""
        x = attend(x, self.qkv.weight, self.bias, self.num_heads, num_read,
                   self.attn_drop.p if self.training else 0., self.scale)
        return self.proj_drop(self.proj(x))

    @property
    def bias(self) -> Tensor | None:
        """(3D,), of queries, keys (zeros) and values; None: there is none."""
        if not hasattr(self, 'q_bias'):
            return None
        return torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])


class VideoBlock(Block):
    """mmaction2's VideoMAE block on :class:`VideoAttention`; arguments are the host's."""

    def __init__(self,
                 embed_dims: int,
                 num_heads: int,
                 mlp_ratio: float = 4.,
                 qkv_bias: bool = True,
                 qk_scale: float | None = None,
                 drop_rate: float = 0.,
                 attn_drop_rate: float = 0.,
                 drop_path_rate: float = 0.,
                 init_values: float = 0.,
                 norm_cfg: dict = NORM) -> None:
        super().__init__(
            embed_dims=embed_dims,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
            init_values=init_values,
            norm_cfg=norm_cfg)
        self.attn = VideoAttention(
            embed_dims,
            num_heads=num_heads,
            qkv_bias=qkv_bias,
            qk_scale=qk_scale,
            attn_drop_rate=attn_drop_rate,
            drop_rate=drop_rate)

    def forward(self, x: Tensor, num_read: int | None = None) -> Tensor:
        """(B, N, D) to (B, N, D), or to the last ``num_read`` tokens of it."""
        if num_read is None:
            return super().forward(x)
        attended = self.attn(self.norm1(x), num_read)
        x = x[:, -num_read:] + self.drop_path(getattr(self, 'gamma_1', 1) * attended)
        return x + self.drop_path(getattr(self, 'gamma_2', 1) * self.mlp(self.norm2(x)))


class ImageBlock(TransformerEncoderLayer):
    """mmpretrain's block, initialised by its parent (the host gives biases of its own)."""

    def init_weights(self) -> None:
        """Leave it to the parent."""
        BaseModule.init_weights(self)

    def forward(self, x: Tensor, num_read: int | None = None) -> Tensor:
        """(B, N, D) to (B, N, D), or to the last ``num_read`` tokens of it."""
        if num_read is None:
            return super().forward(x)
        attn = self.attn
        attended = attend(self.ln1(x), attn.qkv.weight, attn.qkv.bias, attn.num_heads, num_read,
                          attn.attn_drop if self.training else 0.)
        x = x[:, -num_read:] + attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(attended))))
        return self.ffn(self.ln2(x), identity=x)


def attend_in_windows(block: TransformerEncoderLayer, size: tuple[int, int], window: int,
                      x: Tensor) -> Tensor:
    """Run an image block with attention inside windows only (ViTDet, arXiv 2203.16527, section 3).

    What is not attention, stochastic depth too, sees whole pictures. A class token is a key and a
    query of every window, and what comes back for it is the mean.

    Args:
        block: The block, whose weights are used as they are.
        size: (rows, columns) of the tokens.
        window: Tokens of a window's side; at least both of ``size``: the block itself.
        x: (B, prefix + rows * columns, D).

    Returns:
        (B, prefix + rows * columns, D).
    """
    attn = block.attn
    dropout = attn.attn_drop if block.training else 0.
    groups = [attend(group, attn.qkv.weight, attn.qkv.bias, attn.num_heads, dropout=dropout)
              for group in to_windows(block.ln1(x), size, window)]
    attended = from_windows(groups, size, window, len(x))
    x = x + attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(attended))))
    return block.ffn(block.ln2(x), identity=x)


SIDES = either(whole(1), list_of(whole(1), 2))
INIT_CFG = optional(either(MAPPING, list_of(MAPPING, least=0)))
# Blocks of our encoders, decoders and generators.
BLOCKS = (VideoBlock, TransformerEncoderLayer)


def check_size(dims: int, depth: int, num_heads: int) -> None:
    """Raise a ValueError unless ``depth`` blocks of this width and these heads can be built."""
    if depth < 1:
        raise ValueError(f'A transformer must have at least 1 block, got depth {depth}.')
    if num_heads < 1 or dims % num_heads:
        raise ValueError(f'Width must be a multiple of the heads, got {dims} and {num_heads}.')


def build_blocks(grid: TokenGrid, dims: int, depth: int, num_heads: int) -> ModuleList:
    """``depth`` blocks of the grid's modality: MAE's for images, VideoMAE's for clips.

    Raises:
        ValueError: If there are no blocks or heads, or the heads do not divide the width.
    """
    check_size(dims, depth, num_heads)
    if grid.is_video:
        return ModuleList(VideoBlock(dims, num_heads) for _ in range(depth))
    return ModuleList(
        ImageBlock(dims, num_heads, 4 * dims, norm_cfg=NORM) for _ in range(depth))


def run_blocks(blocks: Iterable[Callable[[Tensor], Tensor]], x: Tensor, taps: Sequence[int] = (),
               with_cp: bool = False) -> tuple[Tensor, list[Tensor]]:
    """Run (B, N, D) through the blocks.

    Args:
        blocks: The blocks.
        x: (B, N, D).
        taps: Numbers, counted from 1, of the blocks whose raw outputs are wanted.
        with_cp: Recompute activations in the backward pass instead of keeping them.

    Returns:
        The last output and the outputs at ``taps``, in the order in which they are asked for.
    """
    found = {}
    for number, block in enumerate(blocks, start=1):
        x = checkpoint(block, x, use_reentrant=False) if with_cp else block(x)
        if number in taps:
            found[number] = x
    return x, [found[tap] for tap in taps]


def predict_tokens(blocks: Sequence[nn.Module], x: Tensor, num_read: int,
                   with_cp: bool = False) -> Tensor:
    """Run (B, N, D) through the blocks and return the last ``num_read`` tokens.

    The last block needs the others as keys and values only, and computes nothing else of them.
    """
    *first, last = blocks
    x, _ = run_blocks(first, x, with_cp=with_cp)
    return checkpoint(last, x, num_read, use_reentrant=False) if with_cp else last(x, num_read)


def project(block: Any, x: Tensor) -> Projections:
    """Queries, keys and values that a block of ours makes of its input (B, N, D)."""
    attn = block.attn
    if isinstance(block, VideoBlock):
        projected = F.linear(block.norm1(x), attn.qkv.weight, attn.bias)
    else:
        projected = attn.qkv(block.ln1(x))
    return Projections(*(part.unflatten(-1, (attn.num_heads, -1))
                         for part in projected.chunk(3, -1)))


def freeze_behind_projections(block: nn.Module) -> None:
    """Let a block of ours learn only what :func:`project` reads."""
    for name, parameter in block.named_parameters():
        if not name.startswith(('norm1.', 'ln1.', 'attn.qkv.', 'attn.q_bias', 'attn.v_bias')):
            parameter.requires_grad_(False)


def init_mask_token(token: nn.Parameter, grid: TokenGrid) -> None:
    """MAE: normal, deviation 0.02; VideoMAE: the same, truncated at one deviation."""
    if grid.is_video:
        nn.init.trunc_normal_(token, std=.02, a=-.02, b=.02)
    else:
        nn.init.normal_(token, std=.02)
