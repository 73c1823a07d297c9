"""What every teacher is: frozen, read at some blocks, with pixel statistics of its own."""
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from amd_mm.checkpoints.facts import IMAGENET, NetworkFacts, compare_facts, show_fact
from amd_mm.models.blocks import Projections
from amd_mm.models.teachers.attention_map import LastAttention
from amd_mm.tokens import TokenGrid, TokenMask
from amd_mm.values import Rule, list_of, number, optional

# What pixels are normalised with unless something else is said.
_USUAL = NetworkFacts(mean=IMAGENET[0], std=IMAGENET[1])
# Of the arguments that every teacher takes.
STATISTICS: dict[str, Rule] = dict(
    mean=optional(list_of(number())),
    std=optional(list_of(number(above=0))),
    input_mean=optional(list_of(number())),
    input_std=optional(list_of(number(above=0))))


class Teacher(BaseModule, metaclass=ABCMeta):
    """A network that is read and never trained, always in eval mode.

    Weights are loaded by the constructor of a subclass, strictly; the algorithm holds the teacher
    outside its module tree, so no ``init_cfg`` reaches it and no state dict, optimizer or DDP
    bucket holds it.

    Attributes:
        taps: Blocks, counted from 1, that are read.
        grid: The tokens that its features belong to.
        channels: Of its input.
        embed_dims: Width D of its features.
        num_prefix_tokens: Features before those of patches: 1 for a class token, and registers.
        num_register_tokens: So many of them are register tokens, which are there to be aligned.
        sees_subsets: Whether it can attend over some tokens only; if not, it needs all of them.
        gives_relations: Whether queries, keys and values of its blocks can be read.
        has_class_token: Whether its network has one, in front.
        shared_out: Its network, with ``blocks``, if several processes share it; else None.
        predicts_pixels: Whether it has a decoder, so that it can :meth:`predict`.
    """

    taps: list[int]
    grid: TokenGrid
    channels: int
    embed_dims: int
    num_prefix_tokens: int
    num_register_tokens: int = 0
    sees_subsets: bool
    shared_out: Any
    gives_relations: bool = False
    has_class_token: bool
    predicts_pixels: bool = False

    @abstractmethod
    def features(self, images: Tensor, token_ids: Tensor) -> list[Tensor]:
        """As :meth:`forward`, of images that are normalised by the teacher's own statistics."""

    def relations(self, images: Tensor, token_ids: Tensor) -> list[Projections]:
        """As :meth:`forward`, where it ``gives_relations``."""
        raise NotImplementedError

    @torch.no_grad()
    def forward(self, images: Tensor, token_ids: Tensor, reads: str = 'features') -> list:
        """What is read at the taps, for the tokens ``token_ids`` (B, K), one a tap.

        Args:
            images: (B, C, (T,) H, W), normalised by the statistics of the input.
            token_ids: (B, K) int64.
            reads: ``'features'``, (B, prefix + K, D), or ``'relations'``,
                :class:`~amd_mm.models.blocks.Projections` of (B, prefix + K, heads, D / heads).
        """
        read = self.relations if reads == 'relations' else self.features
        return read(self.normalized(images), token_ids)

    def normalized(self, images: Tensor) -> Tensor:
        """Images by the teacher's own statistics instead of those of its input."""
        if self.pixel_scale is None or self.pixel_shift is None:
            return images
        return images * self.pixel_scale + self.pixel_shift

    def predict(self, images: Tensor, mask: TokenMask) -> tuple[list[Tensor], Tensor]:
        """Features as of :meth:`forward`, and pixels, where it ``predicts_pixels``.

        Args:
            images: (B, C, (T,) H, W), normalised by the statistics of the input.
            mask: What is seen, and of which tokens pixels are predicted.

        Returns:
            The features and (B, P, pixels of a token), in the order of ``mask.predicted``.
        """
        raise NotImplementedError

    def attention(self, images: Tensor) -> Tensor:
        """What the patches of the student's grid are attended to in the last block that is kept.

        A pass of its own over all tokens, whatever the teacher is told to see for its features.

        Args:
            images: As in :meth:`forward`.

        Returns:
            (B, N) float32, mean over heads: the attention of the class token where there is one,
            else the mean over all tokens.

        Raises:
            ValueError: If the network does not go through torch's fused attention.
        """
        return self._attention(images, self.grid.num_tokens)

    @torch.no_grad()
    def _attention(self, images: Tensor, count: int) -> Tensor:
        """(B, K) at the ``count`` tokens of patches that the network has."""
        everything = torch.arange(self.grid.num_tokens, device=images.device)
        with LastAttention() as last:
            self(images, everything.expand(len(images), -1))
        return last.received(count, self.has_class_token)

    @property
    def is_sharded(self) -> bool:
        """Whether every process holds a share of the weights, so that all have to call together."""
        return any(isinstance(module, FSDPModule) for module in self.modules())

    def require_finite(self, images: Tensor, token_ids: Tensor) -> None:
        """Raise a ValueError if features are not finite; arguments as in :meth:`forward`."""
        for tap, features in zip(self.taps, self(images, token_ids), strict=True):
            bad = int((~features.isfinite()).sum())
            if bad:
                raise ValueError(
                    f'The features of the teacher must be finite, but at its block {tap} {bad} of '
                    f'{features.numel()} values are NaN or infinite ({features.dtype}): nothing '
                    'can be learnt from it, at any learning rate. Compare its checkpoint with the '
                    'source, see `amd-mm zoo check FILE`; if its weights are '
                    'finite, run it in bfloat16 or float32 rather than float16.')

    def settle(self, own: NetworkFacts, given: NetworkFacts, shard: Any = None) -> None:
        """Freeze what a subclass has built.

        Args:
            own: Pixel statistics that it was trained with.
            given: Those of its input.
            shard: Its network, with ``blocks``, to be shared out over processes; or None.
        """
        self._set_normalisation(own, given)
        self.requires_grad_(False)
        self.eval()
        self.__dict__['shared_out'] = shard  # past nn.Module, which would name its weights twice
        if shard is not None and get_world_size() > 1:
            _shard(shard)

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
            axes = (-1, *(1, ) * len(self.grid.size))
            mean, std, input_mean, input_std = (
                _per_channel(values, self.channels)
                for values in (own.mean, own.std, given.mean, given.std))
            scale = (input_std / std).float().reshape(axes)
            shift = ((input_mean - mean) / std).float().reshape(axes)
        self.register_buffer('pixel_scale', scale, persistent=False)
        self.register_buffer('pixel_shift', shift, persistent=False)

    def train(self, mode: bool = True) -> 'Teacher':
        """Stay in eval mode whatever is asked."""
        return super().train(False)

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        """Itself: it never changes, so a copy of the student (EMA) needs none of its own."""
        return self


def pixel_statistics(mean: Sequence[float] | None, std: Sequence[float] | None,
                     who: str) -> NetworkFacts:
    """Mean and deviation as facts; none where neither is given.

    Raises:
        ValueError: If only one is given, or they are not one mean and one positive deviation a
            channel.
    """
    if (mean is None) != (std is None):
        raise ValueError(f'Pixel statistics of the {who}: mean and std belong together, got '
                         f'{mean} and {std}.')
    if mean is None or std is None:
        return NetworkFacts()
    if len(mean) != len(std) or min(std) <= 0:
        raise ValueError(f'Pixel statistics of the {who}: must be one mean and one positive '
                         f'deviation a channel (0-255), got {mean} and {std}.')
    return NetworkFacts(mean=tuple(map(float, mean)), std=tuple(map(float, std)))


def agreed_statistics(setting: NetworkFacts, file: NetworkFacts, given: NetworkFacts,
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


def warn_of_random_weights() -> None:
    """Say what a teacher without a checkpoint is good for."""
    warnings.warn(
        'The teacher has random weights, because checkpoint=None was asked for: whatever is '
        'distilled from it means nothing.', stacklevel=3)


def check_taps(taps: Sequence[int], depth: int, who: str) -> list[int]:
    """``taps`` as a list, if they are block numbers in 1..depth, in any order.

    Raises:
        ValueError: If they are not.
    """
    taps = list(taps)
    if not taps or min(taps) < 1 or max(taps) > depth:
        raise ValueError(
            f'Taps of the {who} must be block numbers, counted from 1, up to its depth {depth}, '
            f'got {taps}.')
    return taps


def check_grid(student: TokenGrid | None, own: TokenGrid) -> None:
    """Raise a ValueError if a teacher's tokens are not as many as the student's, in time and space.

    Args:
        student: The student's; None: whatever the teacher's are.
        own: The teacher's; its patches may be of another size, tubelets may not.
    """
    if student is None or (student.size == own.size and student.patch[:-2] == own.patch[:-2]):
        return
    if student.is_video != own.is_video:
        student_kind, own_kind = ('clips' if grid.is_video else 'pictures'
                                  for grid in (student, own))
        remedy = ("amd_mm.TimmTeacher, which sees clips frame by frame (frames='first' or 'mean')"
                  if student.is_video else 'a backbone of pictures in model.teacher.backbone')
        raise ValueError(
            f'A student of {student_kind} must have a teacher that takes them, got one of '
            f'{own_kind}: use {remedy}.')
    rows, columns = (n * p for n, p in zip(student.size[-2:], own.patch[-2:], strict=True))
    raise ValueError(
        f'Student and teacher must cut the input into the same tokens, got {_tokens(student)} of '
        f'the student and {_tokens(own)} of the teacher: set model.teacher.backbone.img_size='
        f'({rows}, {columns}), and num_frames and tubelet_size as the student has them.')


def resize_frames(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures (B, C, H, W), or every frame of clips (B, C, T, H, W), at another size.

    Bicubic with antialiasing; no frame takes from another. Input of that size is given back.

    Args:
        images: Pixels, normalised or not.
        size: Rows and columns.
    """
    if tuple(images.shape[-2:]) == size:
        return images
    if images.dim() == 5:
        frames = resize_frames(images.transpose(1, 2).flatten(0, 1), size)
        return frames.unflatten(0, (len(images), -1)).transpose(1, 2)
    return F.interpolate(images, size, mode='bicubic', antialias=True)


def _tokens(grid: TokenGrid) -> str:
    size, patch = (' x '.join(map(str, sides)) for sides in (grid.size, grid.patch))
    return f'{size} of {patch} pixels'


def _per_channel(values: Sequence[float], channels: int) -> Tensor:
    if len(values) not in (1, channels):
        raise ValueError(
            f'Pixel statistics of the teacher: must be one a channel, {channels}, got {values}.')
    return torch.tensor(values, dtype=torch.float64).expand(channels)


def _shard(network: Any) -> None:
    """Shard blocks one by one, and what is outside them together."""
    for block in network.blocks:
        fully_shard(block)
    # Its parameters too are given back after use, so that the teacher can be cast at any time.
    fully_shard(network, reshard_after_forward=True)
    for method in ('encode', 'forward_intermediates'):
        if hasattr(network, method):
            register_fsdp_forward_method(network, method)
