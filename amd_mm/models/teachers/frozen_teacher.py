"""The large network that is read and never trained."""
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from amd_mm.checkpoints import load_encoder
from amd_mm.models.backbones import Encoder
from amd_mm.registry import MODELS
from amd_mm.values import CONFIG, FLAG, instance, list_of, optional, takes, whole


@MODELS.register_module()
class FrozenTeacher(BaseModule):
    """An encoder read at some blocks, without gradient, always in eval mode.

    Only the blocks up to the deepest tap are kept. Weights are loaded here, strictly; the
    algorithm holds the teacher outside its module tree, so no ``init_cfg`` reaches it and
    no state dict, optimizer or DDP bucket holds it.

    Args:
        backbone: Config of an encoder with ``encode``.
        taps: Blocks, counted from 1, whose raw outputs are the features.
        checkpoint: File or folder of any layout in ``amd_mm.checkpoints``. It has to be
            given; None asks for random weights and warns.
        shard: Every process keeps its share of the weights and fetches a block when it is
            that block's turn (torch's ``fully_shard``), for teachers too large for one GPU. All
            processes have to call the teacher together, as training does. One process keeps
            everything.

    Raises:
        ValueError: If no checkpoint is given or it does not fit, or if taps are not
            increasing numbers between 1 and the depth.
    """

    backbone: Encoder

    @takes(
        backbone=CONFIG,
        taps=list_of(whole(1)),
        checkpoint=optional(instance((str, Path), 'a path')),
        shard=FLAG)
    def __init__(self,
                 backbone: dict,
                 taps: Sequence[int],
                 checkpoint: str | None = '',
                 shard: bool = False) -> None:
        super().__init__()
        if checkpoint == '':
            raise ValueError(
                'The teacher has no checkpoint: set model.teacher.checkpoint=FILE '
                '(--cfg-options). Teachers are published by their authors: VideoMAE in '
                'github.com/MCG-NJU/VideoMAE (MODEL_ZOO.md), MAE in '
                'github.com/facebookresearch/mae; or train one with configs/videomae or '
                'configs/mae. checkpoint=None gives random weights, for trials.')
        self.backbone = MODELS.build(backbone)
        self.taps = check_taps(taps, self.backbone.depth, 'teacher')
        if checkpoint is None:
            warnings.warn(
                'The teacher has random weights, because checkpoint=None was asked for: '
                'whatever is distilled from it means nothing.', stacklevel=2)
            self.backbone.init_weights()
        else:
            self.backbone.drop_final_norm()  # never read, and a fine-tuned file has none
            load_encoder(self.backbone, checkpoint)
        self.backbone.truncate(self.taps[-1])
        self.requires_grad_(False)
        self.eval()
        if shard and get_world_size() > 1:
            _shard(self.backbone)

    def train(self, mode: bool = True) -> 'FrozenTeacher':
        """Stay in eval mode whatever is asked."""
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> 'FrozenTeacher':
        """Itself: it never changes, so a copy of the student (EMA) needs none of its own."""
        return self

    @torch.no_grad()
    def forward(self, images: Tensor, token_ids: Tensor) -> list[Tensor]:
        """Features (B, prefix + K, D) at the taps, for the tokens ``token_ids`` (B, K)."""
        return self.backbone.encode(images, token_ids, self.taps)[1]


def _shard(backbone: Any) -> None:
    """Shard blocks one by one, and what is outside them together."""
    for block in backbone.blocks:
        fully_shard(block)
    # Its parameters too are given back after use, so that the teacher can be cast at any time.
    fully_shard(backbone, reshard_after_forward=True)
    register_fsdp_forward_method(backbone, 'encode')


def check_taps(taps: Sequence[int], depth: int, who: str) -> list[int]:
    """``taps`` as a list, if they are increasing block numbers in 1..depth.

    Raises:
        ValueError: If they are not.
    """
    taps = list(taps)
    if not taps or taps != sorted(set(taps)) or taps[0] < 1 or taps[-1] > depth:
        raise ValueError(
            f'Taps of the {who} must be increasing block numbers, counted from 1, up to its '
            f'depth {depth}, got {taps}.')
    return taps
