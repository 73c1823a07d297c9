"""mmpretrain's vision transformer, able to encode only the tokens it may see."""
from collections.abc import Callable, Sequence
from functools import partial
from logging import WARNING

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmengine.logging import print_log
from mmengine.model import ModuleList
from mmengine.utils import to_2tuple
from mmpretrain.models.backbones import VisionTransformer
from mmpretrain.models.utils import resize_pos_embed
from torch import Tensor, nn

from amd_mm.checkpoints import Architecture, layout_named, load_pretrained
from amd_mm.checkpoints.facts import activation_of
from amd_mm.models.blocks import (
    INIT,
    INIT_CFG,
    NORM,
    SIDES,
    Projections,
    attend_in_windows,
    check_size,
    freeze_behind_projections,
    project,
    run_blocks,
)
from amd_mm.positions import sincos_positions
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, gather_patches, gather_tokens, split_prefix
from amd_mm.values import (
    CONFIG,
    FLAG,
    Rule,
    either,
    list_of,
    number,
    one_of,
    optional,
    takes,
    whole,
)

_WIDTHS = ('embed_dims', 'num_layers', 'num_heads', 'feedforward_channels')
ARCH = either(
    Rule(f'one of {", ".join(sorted(VisionTransformer.arch_zoo))}',
         lambda value: isinstance(value, str) and value.lower() in VisionTransformer.arch_zoo),
    Rule(f'a dict of {", ".join(_WIDTHS)}, each a whole number, at least 1',
         lambda value: isinstance(value, dict) and all(
             whole(1).holds(value.get(name)) for name in _WIDTHS)))


@MODELS.register_module()
class ImageVisionTransformer(VisionTransformer):
    """The host's image ViT plus :meth:`encode`; parameter names are the host's.

    Fine-tuning needs nothing but ``init_cfg=dict(type='Pretrained', checkpoint=...,
    prefix='backbone.')``, with this class (which checks every key) or the host's.

    Args:
        arch: The host's name or a dict; ViT-S of the papers is ``'deit-small'``.
        img_size: Pixels of a side, a multiple of ``patch_size``, or (rows, columns).
        patch_size: Pixels of one patch's side.
        in_channels: Channels of the input.
        out_indices: 0-based blocks that :meth:`forward` returns, as in the host.
        drop_rate: Dropout in blocks and after positions, in [0, 1).
        drop_path_rate: Stochastic depth of the last block, in [0, 1).
        qkv_bias: Whether queries, keys and values have a bias.
        norm_cfg: The norms.
        final_norm: Whether a norm follows the last block.
        out_type: What :meth:`forward` returns, as in the host.
        fixed_positions: Sine-cosine positions that do not train (pre-training);
            False: they are parameters (fine-tuning as in MAE).
        frozen: Whether nothing of it learns: no gradient, always in eval mode.
        frozen_stages: Positions, class token and so many first blocks do not learn (with all
            blocks the norms, too); they stay in eval mode. -1: all learn.
        with_cp: Recompute blocks in the backward pass instead of keeping their activations.
        window_size: Tokens of the side of the windows in which blocks attend, in :meth:`forward`
            (ViTDet, arXiv 2203.16527); None: everywhere. Weights are the same.
        global_blocks: How many blocks attend everywhere all the same: the last of so many equal
            parts. Belongs to ``window_size``.
        init_cfg: The host's way; ``Pretrained`` is checked strictly.

    Raises:
        ValueError: If the image is not a multiple of the patch, the width not one of the
            heads, there is no block, there are fewer blocks than frozen ones, or they cannot be
            parted evenly.
    """

    num_prefix_tokens = 1
    layout = layout_named('amd_mm', 'image')
    final_norm_name, pooling_norm_name = 'ln1', 'ln2'

    @takes(
        arch=ARCH,
        img_size=SIDES,
        patch_size=whole(1),
        in_channels=whole(1),
        out_indices=either(whole(), list_of(whole())),
        drop_rate=number(0, below=1),
        drop_path_rate=number(0, below=1),
        qkv_bias=FLAG,
        norm_cfg=CONFIG,
        final_norm=FLAG,
        out_type=one_of(*sorted(VisionTransformer.OUT_TYPES)),
        fixed_positions=FLAG,
        frozen=FLAG,
        frozen_stages=whole(-1),
        with_cp=FLAG,
        window_size=optional(whole(1)),
        global_blocks=optional(whole(1)),
        init_cfg=INIT_CFG)
    def __init__(self,
                 arch: str | dict = 'base',
                 img_size: int | tuple[int, int] = 224,
                 patch_size: int = 16,
                 in_channels: int = 3,
                 out_indices: Sequence[int] | int = -1,
                 drop_rate: float = 0.,
                 drop_path_rate: float = 0.,
                 qkv_bias: bool = True,
                 norm_cfg: dict = NORM,
                 final_norm: bool = True,
                 out_type: str = 'cls_token',
                 fixed_positions: bool = True,
                 frozen: bool = False,
                 frozen_stages: int = -1,
                 with_cp: bool = False,
                 window_size: int | None = None,
                 global_blocks: int | None = None,
                 init_cfg: dict | list[dict] | None = INIT) -> None:
        grid = TokenGrid.of_input(to_2tuple(img_size), to_2tuple(patch_size))
        if isinstance(arch, dict):
            check_size(arch['embed_dims'], arch['num_layers'], arch['num_heads'])
        super().__init__(
            arch=arch,
            img_size=img_size,
            patch_size=patch_size,
            in_channels=in_channels,
            out_indices=out_indices,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            qkv_bias=qkv_bias,
            norm_cfg=norm_cfg,
            final_norm=final_norm,
            out_type=out_type,
            init_cfg=init_cfg)
        self.grid = grid
        self.with_cp = with_cp
        self.window_size = window_size
        self.global_blocks = global_blocks
        self.final_norm: bool
        self.layers: ModuleList
        # The host's are numpy's numbers, which torch.compile takes for arrays.
        for module in self.modules():
            if isinstance(module, DropPath):
                module.drop_prob = float(module.drop_prob)
        self.pos_embed.data.copy_(sincos_positions(self.grid, self.embed_dims, 1))
        self.pos_embed.requires_grad_(not fixed_positions)
        self.frozen = frozen
        self.frozen_stages = frozen_stages
        self._check_frozen()
        self._check_windows()
        if frozen:
            self.requires_grad_(False)
        self.train()

    def _check_frozen(self) -> None:
        if self.frozen and self.frozen_stages > 0:
            raise ValueError(
                'frozen=True freezes the whole backbone, so that frozen_stages must be -1, got '
                f'{self.frozen_stages}; leave one of them out')
        if self.frozen_stages > self.depth:
            raise ValueError(
                f'frozen_stages must be at most the number of blocks, {self.depth}, got '
                f'{self.frozen_stages}; frozen=True freezes all of any depth')
        if 0 < self.frozen_stages < self.depth:
            print_log(
                f'frozen_stages={self.frozen_stages} of {self.depth} blocks: the others and the '
                'norm after them are trained. frozen=True freezes all.', 'current', WARNING)

    def _check_windows(self) -> None:
        if (self.window_size is None) != (self.global_blocks is None):
            raise ValueError(
                'window_size and global_blocks must be given together, got '
                f'{self.window_size} and {self.global_blocks}; for attention everywhere leave both '
                'out')
        if self.global_blocks is not None and self.depth % self.global_blocks:
            raise ValueError(
                f'global_blocks must divide the number of blocks, {self.depth}, got '
                f'{self.global_blocks}; ViTDet has 4 of 12 or 24')

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return len(self.layers)

    @property
    def blocks(self) -> ModuleList:
        """The blocks, in order."""
        return self.layers

    @property
    def final_norm_layer(self) -> nn.Module | None:
        """The norm after the last block, where there is one."""
        return self.ln1 if self.final_norm else None

    @property
    def pooling_norm(self) -> nn.Module | None:
        """The norm after mean pooling, which only fine-tuning has."""
        return self.ln2 if self.out_type == 'avg_featmap' else None

    @property
    def new_norms(self) -> tuple[str, ...]:
        """Norms that start anew when a student is fine-tuned."""
        return (self.pooling_norm_name, )

    @property
    def architecture(self) -> Architecture:
        """What a checkpoint has to fit."""
        block = self.layers[0]
        return Architecture(
            modality='image',
            width=self.embed_dims,
            depth=self.depth,
            mlp_width=block.ffn.feedforward_channels,
            patch=self.grid.patch[-1],
            channels=self.patch_embed.projection.in_channels,
            tubelet=1,
            class_token=True,
            num_positions=self.pos_embed.shape[1],
            image_size=self.grid.frame_size,
            num_frames=1,
            num_heads=block.attn.num_heads,
            activation=activation_of(block.ffn),
            norm_eps=block.ln1.eps,
            qk_scale=block.attn.head_dims**-.5)

    def train(self, mode: bool = True) -> 'ImageVisionTransformer':
        """As torch's, but what is frozen stays in eval mode (the host's does not, nor returns)."""
        super().train(mode and not self.frozen)
        if mode and self.frozen_stages > 0:
            self._freeze_stages()
        return self

    def init_weights(self) -> None:
        """MAE's initial weights, or the checkpoint's, every key of which must fit."""
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained':
            load_pretrained(self, **{k: v for k, v in self.init_cfg.items() if k != 'type'})
            return
        super().init_weights()
        for layer in self.layers:
            for linear in (m for m in layer.ffn.modules() if isinstance(m, nn.Linear)):
                nn.init.zeros_(linear.bias)
        nn.init.xavier_uniform_(self.patch_embed.projection.weight.data.flatten(1))
        nn.init.normal_(self.cls_token, std=.02)
        self.pos_embed.data.copy_(sincos_positions(self.grid, self.embed_dims, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """As the host's, at any size: positions are interpolated, a part of a patch is padded.

        Args:
            x: (B, C, H, W) images, normalised.

        Returns:
            What ``out_type`` says, one for each of ``out_indices``.
        """
        tokens, size = self.patch_embed(x)
        # Not len(x), which a tracer of exports takes for a constant.
        tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), tokens], dim=1)
        tokens = tokens + resize_pos_embed(
            self.pos_embed, self.patch_resolution, size, mode=self.interpolate_mode,
            num_extra_tokens=self.num_prefix_tokens)
        last, features = run_blocks(
            self._blocks_at(size), self.drop_after_pos(tokens),
            [index + 1 for index in self.out_indices], self.with_cp and self.training)
        if self.final_norm and self.depth - 1 in self.out_indices:
            features[-1] = self.ln1(last)
        return tuple(self._format_output(output, size) for output in features)

    def _blocks_at(self, size: tuple[int, int]) -> list[Callable[[Tensor], Tensor]]:
        """The blocks for (rows, columns) of tokens, some of which attend in windows."""
        if self.window_size is None or self.global_blocks is None:
            return list(self.layers)
        every = self.depth // self.global_blocks
        return [block if number % every == 0
                else partial(attend_in_windows, block, size, self.window_size)
                for number, block in enumerate(self.layers, start=1)]

    def encode(self, x: Tensor, token_ids: Tensor,
               taps: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """Encode some tokens only; the others cost nothing, not even embedding.

        Args:
            x: (B, C, H, W) images, normalised.
            token_ids: (B, V) int64, the tokens to see.
            taps: Blocks, counted from 1, whose raw outputs are wanted.

        Returns:
            Latent (B, 1 + V, D), class token first, after the final norm where there
            is one, and a list of (B, 1 + V, D) features, one a tap.

        Raises:
            ValueError: If blocks attend in windows, which are of whole pictures.
        """
        latent, features = run_blocks(
            self.layers, self._embed(x, token_ids), taps, self.with_cp and self.training)
        return (self.ln1(latent) if self.final_norm else latent), features

    def project(self, x: Tensor, token_ids: Tensor, tap: int) -> Projections:
        """Queries, keys and values of a block; nothing behind them is computed.

        Args:
            x: As in :meth:`encode`.
            token_ids: As in :meth:`encode`.
            tap: The block, counted from 1.

        Returns:
            (B, 1 + V, heads, D / heads) each, class token first.
        """
        *before, block = self.layers[:tap]
        tokens, _ = run_blocks(
            before, self._embed(x, token_ids), with_cp=self.with_cp and self.training)
        return project(block, tokens)

    def _embed(self, x: Tensor, token_ids: Tensor) -> Tensor:
        """(B, 1 + V, D), what the first block is given."""
        if self.window_size is not None:
            raise ValueError(
                'window_size must be None where only some tokens are seen (pre-training, taps), '
                f'got {self.window_size}; it is for segmentation and detection')
        embedding = self.patch_embed.projection
        patches = gather_patches(x, token_ids, self.grid).flatten(2)
        tokens = F.linear(patches, embedding.weight.flatten(1), embedding.bias)
        cls_position, positions = split_prefix(self.pos_embed, self.num_prefix_tokens)
        tokens = tokens + gather_tokens(positions, token_ids)
        cls_token = (self.cls_token + cls_position).expand(len(x), -1, -1)
        return self.drop_after_pos(torch.cat([cls_token, tokens], dim=1))

    def drop_final_norm(self) -> None:
        """Remove the norm after the last block, for uses that read raw features only."""
        if self.final_norm:
            self.final_norm = False
            del self.ln1

    def truncate(self, depth: int) -> None:
        """Keep the first ``depth`` blocks and no final norm."""
        self.layers = self.layers[:depth]
        self.drop_final_norm()

    def freeze_behind_projections(self) -> None:
        """Let nothing learn behind the queries, keys and values of the last block."""
        self.drop_final_norm()
        freeze_behind_projections(self.blocks[-1])
