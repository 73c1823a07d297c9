"""Which tokens student and teacher see, and the only code that indexes tokens.

Shapes: B samples, N tokens of one sample in raster order ((time,) row, column),
V visible to the student, E extra (teacher only), M = N - V masked, D channels.
"""
from dataclasses import dataclass
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.registry import MODELS


@dataclass(frozen=True)  # no tuple: MMEngine's ConfigDict takes tuples apart
class TokenGrid:
    """How an input is cut into tokens.

    ``size`` counts tokens: (rows, columns) of an image, (frames, rows, columns)
    of a clip; ``patch`` counts the pixels of one token along the same axes.
    """
    size: tuple[int, ...]
    patch: tuple[int, ...]

    @classmethod
    def of_input(cls, input_size: tuple[int, ...], patch: tuple[int, ...]) -> 'TokenGrid':
        """The grid over an input of ``input_size`` pixels.

        Raises:
            ValueError: if a side is not a positive multiple of the patch's.
        """
        axes = ('frames', 'rows', 'columns')[-len(input_size):]
        for axis, length, step in zip(axes, input_size, patch, strict=True):
            if step < 1 or length < step or length % step:
                raise ValueError(
                    f'Input {axis} must be a positive multiple of the '
                    f'{"tubelet" if axis == "frames" else "patch"} size {step}, got {length}: '
                    'change img_size, num_frames, patch_size or tubelet_size.')
        return cls(tuple(n // p for n, p in zip(input_size, patch, strict=True)), tuple(patch))

    @property
    def is_video(self) -> bool:
        return len(self.size) == 3

    @property
    def per_frame(self) -> int:
        """Tokens of one frame (of the whole image if there is no time axis)."""
        return self.size[-2] * self.size[-1]

    @property
    def num_frames(self) -> int:
        """Tubelet frames; 1 for an image."""
        return self.size[0] if self.is_video else 1

    @property
    def num_tokens(self) -> int:
        return self.num_frames * self.per_frame

    @property
    def input_size(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(n * p for n, p in zip(self.size, self.patch, strict=True))


class TokenMask(NamedTuple):
    """Token indices, ascending within each set.

    ``visible`` (B, V) and ``masked`` (B, M) part the N tokens between them. Inside ``masked``
    lie ``extra`` (B, E), which the teacher sees, and ``predicted`` (B, P), whose pixels the
    decoder predicts: all of ``masked``, unless the decoder is spared some.
    """
    visible: Tensor
    extra: Tensor
    masked: Tensor
    predicted: Tensor

    @property
    def teacher_visible(self) -> Tensor:
        """(B, V + E): the student's visible tokens first, then the extra ones."""
        return torch.cat([self.visible, self.extra], dim=1)


def gather_tokens(tokens: Tensor, ids: Tensor) -> Tensor:
    """Rows ``ids`` (B, K) of ``tokens`` (B or 1, N, D), as (B, K, D)."""
    tokens = tokens.expand(len(ids), -1, -1)
    return tokens.gather(1, ids[..., None].expand(-1, -1, tokens.shape[-1]))


def _patch_view(images: Tensor, ids: Tensor, grid: TokenGrid) -> tuple[Tensor, tuple]:
    """``images`` split along the grid, and the index of the patches ``ids`` in it."""
    if tuple(images.shape[2:]) != grid.input_size:
        raise ValueError(
            f'Input size must be {grid.input_size} (time, height, width), as the backbone was '
            f'built for, got {tuple(images.shape[2:])}: change img_size or num_frames of the '
            'backbone, or the pipeline.')
    split = [n for size_and_patch in zip(grid.size, grid.patch, strict=True)
             for n in size_and_patch]
    coordinates: list[Tensor] = []
    for size in reversed(grid.size):
        coordinates.insert(0, ids % size)
        ids = ids // size
    index: list = [torch.arange(len(images), device=images.device)[:, None], slice(None)]
    for coordinate in coordinates:
        index += [coordinate, slice(None)]
    return images.reshape(*images.shape[:2], *split), tuple(index)


def gather_patches(images: Tensor, ids: Tensor, grid: TokenGrid) -> Tensor:
    """Pixels of the patches ``ids`` (B, K) of ``images`` (B, C, (T,) H, W).

    Returns (B, K, C, *patch); nothing is computed for the other patches.

    Raises:
        ValueError: if the input is not of the size the grid was made for.
    """
    view, index = _patch_view(images, ids, grid)
    return view[index]


def scatter_patches(images: Tensor, ids: Tensor, patches: Tensor, grid: TokenGrid) -> Tensor:
    """A copy of ``images`` with the patches ``ids`` replaced by (B, K, C, *patch)."""
    view, index = _patch_view(images.clone(memory_format=torch.contiguous_format), ids, grid)
    view[index] = patches
    return view.reshape(images.shape)


def _mix(x: Tensor) -> Tensor:
    """The finalizer of splitmix64 on int64: the same bits on every device."""
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return x ^ ((x >> 31) & ((1 << 33) - 1))


def hash_positions(keys: Tensor, length: int) -> Tensor:
    """Counter-based random numbers: (B,) int64 keys to (B, length) int64.

    A pure function of key and position: no generator state, so a resumed run,
    another number of processes or another device draws the same numbers.
    """
    counters = torch.arange(1, length + 1, device=keys.device) * -0x61C8864680B583EB
    return _mix(_mix(keys)[:, None] + counters)


def mix_keys(keys: Tensor, views: int) -> Tensor:
    """(B,) sample keys to (B * views,) keys, one a view; a single view keeps its key."""
    return keys if views == 1 else hash_positions(keys, views).flatten()


@MODELS.register_module()
class AsymmetricMaskGenerator(BaseModule):
    """Draws what student and teacher see (AMD, section 3.2; DMAE and MAE: equal sets).

    Give each side a ratio (the fraction masked; floor(ratio * L) tokens are masked) or
    the number of visible tokens. L is the number of tokens of an image, or of one
    frame under ``'tube'``, where every frame shows the same places.

    Args:
        grid: the tokens; filled in by the algorithm from its backbone.
        strategy: ``'random'`` (any L tokens of the sample) or ``'tube'``.
        student_ratio: in [0, 1); or give ``student_visible``.
        teacher_ratio: in [0, student_ratio]; or give ``teacher_visible``.
            With neither, the teacher sees what the student sees.
        student_visible: tokens (a frame) the student sees, in [1, L].
        teacher_visible: tokens (a frame) the teacher sees, in [student_visible, L].
        decoder_ratio: fraction of the masked tokens whose pixels the decoder is not asked
            for, any places of any frame, in [0, 1). VideoMAE V2 leaves out half (its
            section 3.2, with another pattern); 0, the default, is AMD, VideoMAE and MAE.

    Raises:
        ValueError: for values outside these ranges.
    """

    STRATEGIES = ('random', 'tube')

    def __init__(self,
                 grid: TokenGrid,
                 strategy: str,
                 student_ratio: float | None = None,
                 teacher_ratio: float | None = None,
                 student_visible: int | None = None,
                 teacher_visible: int | None = None,
                 decoder_ratio: float = 0.) -> None:
        super().__init__()
        if strategy not in self.STRATEGIES:
            raise ValueError(
                f'Mask strategy must be one of {self.STRATEGIES}, got {strategy!r}.')
        self.grid = grid
        self.strategy = strategy
        self.length = grid.per_frame if strategy == 'tube' else grid.num_tokens
        if student_ratio is None and student_visible is None:
            raise ValueError('Student mask is not set: give student_ratio or student_visible.')
        student = self._count_visible('student', student_ratio, student_visible)
        teacher = student
        if teacher_ratio is not None or teacher_visible is not None:
            teacher = self._count_visible('teacher', teacher_ratio, teacher_visible)
        if teacher < student:
            raise ValueError(
                f'Teacher must see at least what the student sees, {student} of {self.length} '
                f'tokens, got {teacher}: lower the teacher ratio or raise the student ratio.')
        if student == self.length:
            raise ValueError(
                f'Student must leave at least one of {self.length} tokens masked, got none: '
                'raise student_ratio or lower student_visible.')
        self._student, self._teacher = student, teacher
        if not 0 <= decoder_ratio < 1:
            raise ValueError(
                'decoder_ratio is the fraction of masked tokens left out and must be in [0, 1), '
                f'got {decoder_ratio}.')
        self.decoder_ratio = decoder_ratio

    def _count_visible(self, who: str, ratio: float | None, visible: int | None) -> int:
        if ratio is not None and visible is not None:
            raise ValueError(
                f'{who}_ratio and {who}_visible exclude each other, got {ratio} and {visible}: '
                'remove one.')
        if visible is None:
            if not 0 <= ratio < 1:
                raise ValueError(
                    f'{who}_ratio is the fraction masked and must be in [0, 1), got {ratio}.')
            visible = self.length - int(ratio * self.length)
        if not 1 <= visible <= self.length:
            raise ValueError(
                f'{who} must see 1 to {self.length} tokens, got {visible}: change {who}_visible.')
        return visible

    @property
    def _repeats(self) -> int:
        return self.grid.num_frames if self.strategy == 'tube' else 1

    @property
    def num_visible(self) -> int:
        """V, tokens the student sees."""
        return self._student * self._repeats

    @property
    def num_extra(self) -> int:
        """E, tokens only the teacher sees."""
        return (self._teacher - self._student) * self._repeats

    def forward(self, keys: Tensor) -> TokenMask:
        """Masks for a batch.

        Args:
            keys: (B,) int64 sample keys, on the device where the masks are wanted.

        Returns:
            The masks; a function of the keys alone.
        """
        order = hash_positions(keys, self.length).argsort(dim=1)
        masked = self._token_ids(order[:, self._student:])
        return TokenMask(
            visible=self._token_ids(order[:, :self._student]),
            extra=self._token_ids(order[:, self._student:self._teacher]),
            masked=masked,
            predicted=self._predicted(keys, masked))

    def _predicted(self, keys: Tensor, masked: Tensor) -> Tensor:
        if self.decoder_ratio == 0:
            return masked
        length = masked.shape[1]
        # Not the keys of the order above, on which the choice would hang.
        order = hash_positions(~keys, length).argsort(dim=1)
        chosen = order[:, int(self.decoder_ratio * length):].sort(dim=1).values
        return masked.gather(1, chosen)

    def _token_ids(self, places: Tensor) -> Tensor:
        places = places.sort(dim=1).values
        first = torch.arange(self._repeats, device=places.device) * self.length
        return (first[:, None] + places[:, None, :]).flatten(1)
