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
from amd_mm.checkpoints.facts import IMAGENET, NetworkFacts, compare_facts, show_fact
from amd_mm.models.backbones import Encoder
from amd_mm.registry import MODELS
from amd_mm.values import CONFIG, FLAG, instance, list_of, number, optional, takes, whole

_USUAL = NetworkFacts(mean=IMAGENET[0], std=IMAGENET[1])


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
        mean, std: Of the pixels that it was trained on, one a channel, 0-255. None: as its file
            says, else those of its input.
        input_mean, input_std: Of the pixels that it is given, likewise; AMD passes its data
            preprocessor's. Where they differ from the teacher's own, the input is normalised
            anew on its device. None: unknown; the input is taken as it is, with a warning if
            the teacher's own are said and not ImageNet's.
        shard: Every process keeps its share of the weights and fetches a block when it is
            that block's turn (torch's ``fully_shard``), for teachers too large for one GPU. All
            processes have to call the teacher together, as training does. One process keeps
            everything.

    Raises:
        ValueError: If no checkpoint is given or it does not fit, if taps are not increasing
            numbers between 1 and the depth, or if mean and deviation are not what the file says
            or not one a channel.
    """

    backbone: Encoder

    @takes(
        backbone=CONFIG,
        taps=list_of(whole(1)),
        checkpoint=optional(instance((str, Path), 'a path')),
        shard=FLAG,
        mean=optional(list_of(number())),
        std=optional(list_of(number(above=0))),
        input_mean=optional(list_of(number())),
        input_std=optional(list_of(number(above=0))))
    def __init__(self,
                 backbone: dict,
                 taps: Sequence[int],
                 checkpoint: str | None = '',
                 mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None,
                 input_mean: Sequence[float] | None = None,
                 input_std: Sequence[float] | None = None,
                 shard: bool = False) -> None:
        super().__init__()
        if checkpoint == '':
            raise ValueError(
                'The teacher has no checkpoint: set model.teacher.checkpoint=FILE '
                '(--cfg-options). Teachers are published by their authors: VideoMAE in '
                'github.com/MCG-NJU/VideoMAE (MODEL_ZOO.md), MAE in '
                'github.com/facebookresearch/mae; or train one with configs/videomae or '
                'configs/mae. checkpoint=None gives random weights, for trials.')
        said = _statistics(mean, std, 'teacher')
        given = _statistics(input_mean, input_std, "teacher's input")
        self.backbone = MODELS.build(backbone)
        self.taps = check_taps(taps, self.backbone.depth, 'teacher')
        if checkpoint is None:
            warnings.warn(
                'The teacher has random weights, because checkpoint=None was asked for: '
                'whatever is distilled from it means nothing.', stacklevel=2)
            self.backbone.init_weights()
        else:
            self.backbone.drop_final_norm()  # never read, and a fine-tuned file has none
            said = _agreed(said, load_encoder(self.backbone, checkpoint), given, checkpoint)
        self.backbone.truncate(self.taps[-1])
        self._set_normalisation(said, given)
        self.requires_grad_(False)
        self.eval()
        if shard and get_world_size() > 1:
            _shard(self.backbone)

    def _set_normalisation(self, own: NetworkFacts, given: NetworkFacts) -> None:
        """Keep the factor and the offset a channel that turn the input into the teacher's."""
        self.pixel_scale: Tensor | None
        self.pixel_shift: Tensor | None
        scale = shift = None
        if given.mean is None and compare_facts(own, _USUAL):
            warnings.warn(
                f'The teacher was trained on pixels of mean {show_fact(own.mean)} and deviation '
                f'{show_fact(own.std)} (0-255), but what normalises its input is not known: it is '
                'taken as it is. Normalise in model.data_preprocessor.', stacklevel=3)
        if own.mean and own.std and given.mean and given.std and compare_facts(own, given):
            architecture = self.backbone.architecture
            axes = (-1, *(1, ) * len(self.backbone.grid.size))
            mean, std, input_mean, input_std = (
                _per_channel(values, architecture.channels)
                for values in (own.mean, own.std, given.mean, given.std))
            scale = (input_std / std).float().reshape(axes)
            shift = ((input_mean - mean) / std).float().reshape(axes)
        self.register_buffer('pixel_scale', scale, persistent=False)
        self.register_buffer('pixel_shift', shift, persistent=False)

    def train(self, mode: bool = True) -> 'FrozenTeacher':
        """Stay in eval mode whatever is asked."""
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> 'FrozenTeacher':
        """Itself: it never changes, so a copy of the student (EMA) needs none of its own."""
        return self

    @torch.no_grad()
    def forward(self, images: Tensor, token_ids: Tensor) -> list[Tensor]:
        """Features (B, prefix + K, D) at the taps, for the tokens ``token_ids`` (B, K).

        Args:
            images: (B, C, (T,) H, W), normalised by the statistics of the input.
            token_ids: (B, K) int64.
        """
        if self.pixel_scale is not None and self.pixel_shift is not None:
            images = images * self.pixel_scale + self.pixel_shift
        return self.backbone.encode(images, token_ids, self.taps)[1]


def _statistics(mean: Sequence[float] | None, std: Sequence[float] | None,
                who: str) -> NetworkFacts:
    if (mean is None) != (std is None):
        raise ValueError(f'Pixel statistics of the {who}: mean and std belong together, got '
                         f'{mean} and {std}.')
    if mean is None or std is None:
        return NetworkFacts()
    if len(mean) != len(std) or min(std) <= 0:
        raise ValueError(f'Pixel statistics of the {who}: must be one mean and one positive '
                         f'deviation a channel (0-255), got {mean} and {std}.')
    return NetworkFacts(mean=tuple(map(float, mean)), std=tuple(map(float, std)))


def _agreed(setting: NetworkFacts, file: NetworkFacts, given: NetworkFacts,
            path: str) -> NetworkFacts:
    """The teacher's own statistics, from its file or the setting.

    Raises:
        ValueError: If both are there and differ.
    """
    file = NetworkFacts(mean=file.mean, std=file.std)
    if differences := compare_facts(file, setting):
        raise ValueError(
            f'Checkpoint {path}: pixel statistics (0-255) must be what the file says, but '
            f'{"; ".join(differences)}. Leave model.teacher.mean and std out.')
    if file.mean and file.std:
        return file
    if setting == NetworkFacts() and compare_facts(_USUAL, given):
        warnings.warn(
            f'Checkpoint {path}: does not say what its pixels were normalised with, and is given '
            f'mean {show_fact(given.mean)} and deviation {show_fact(given.std)} (0-255), which '
            "are not ImageNet's. Set model.teacher.mean and std to what it was trained with.",
            stacklevel=3)
    return setting


def _per_channel(values: Sequence[float], channels: int) -> Tensor:
    if len(values) not in (1, channels):
        raise ValueError(
            f'Pixel statistics of the teacher: must be one a channel, {channels}, got {values}.')
    return torch.tensor(values, dtype=torch.float64).expand(channels)


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
