"""Tokens of an input, which of them a network sees, and in which order they come.

The only file that indexes tokens, and the only one that knows how features are ordered:
prefix | visible | extra.

Shapes: B samples, N tokens of one sample in raster order ((time,) row, column),
V visible to the student, E extra (teacher only), M = N - V masked, P of them predicted,
D channels.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from amd_mm.values import instance

__all__ = [
    'StudentFeatures', 'TeacherFeatures', 'TokenGrid', 'TokenMask', 'from_windows',
    'gather_patches', 'gather_tokens', 'scatter_patches', 'split_prefix', 'to_windows'
]


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
            ValueError: If a side is not a positive multiple of the patch's.
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
        """Whether there is a time axis."""
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
        """N, tokens of one input."""
        return self.num_frames * self.per_frame

    @property
    def frame_size(self) -> tuple[int, int]:
        """Pixels of a frame (of the image): rows, columns."""
        return self.size[-2] * self.patch[-2], self.size[-1] * self.patch[-1]

    @property
    def input_size(self) -> tuple[int, ...]:
        """Pixels along each axis."""
        return tuple(n * p for n, p in zip(self.size, self.patch, strict=True))


GRID = instance(TokenGrid, 'a TokenGrid')


class TeacherFeatures(NamedTuple):
    """A teacher's features, taken apart: :meth:`TokenMask.split_teacher`.

    Attributes:
        prefix: (B, prefix, D), class token and the like; none in encoders of clips.
        visible: (B, V, D), at the tokens that the student sees too.
        extra: (B, E, D), at the tokens that only the teacher sees.
    """
    prefix: Tensor
    visible: Tensor
    extra: Tensor

    def seen(self, with_prefix: bool) -> Tensor:
        """(B, (prefix +) V, ...), what the student sees too."""
        return torch.cat([self.prefix, self.visible], 1) if with_prefix else self.visible


class StudentFeatures(NamedTuple):
    """A student's features, taken apart: :meth:`TokenMask.split_student`.

    Attributes:
        prefix: (B, prefix, D).
        visible: (B, V, D).
    """
    prefix: Tensor
    visible: Tensor

    def seen(self, with_prefix: bool) -> Tensor:
        """(B, (prefix +) V, ...), all that the student sees, or patches alone."""
        return torch.cat([self.prefix, self.visible], 1) if with_prefix else self.visible


class TokenMask(NamedTuple):
    """Token indices, ascending within each set.

    ``visible`` (B, V) and ``masked`` (B, M) part the N tokens between them. Inside ``masked``
    lie ``extra`` (B, E), which the teacher sees, and ``predicted`` (B, P), whose pixels the
    decoder predicts: all of ``masked``, unless the decoder is spared some.

    Of several teachers ``extras`` has the extra tokens of each, nested, and ``extra`` those of the
    teacher that sees most; of one teacher ``extras`` is empty.
    """
    visible: Tensor
    extra: Tensor
    masked: Tensor
    predicted: Tensor
    extras: tuple[Tensor, ...] = ()

    def seen_by(self, teacher: int) -> 'TokenMask':
        """The mask of one teacher, counted from 0, with its own ``extra`` tokens."""
        if not self.extras and teacher == 0:
            return self
        return self._replace(extra=self.extras[teacher], extras=())

    @property
    def teacher_visible(self) -> Tensor:
        """(B, V + E): the student's visible tokens first, then the extra ones."""
        return torch.cat([self.visible, self.extra], dim=1)

    def split_teacher(self, features: Tensor) -> TeacherFeatures:
        """Take (B, prefix + V + E, D) over :attr:`teacher_visible` apart."""
        visible, extra = self.visible.shape[1], self.extra.shape[1]
        prefix = features.shape[1] - visible - extra
        return TeacherFeatures(*features.split([prefix, visible, extra], dim=1))

    def split_student(self, features: Tensor) -> StudentFeatures:
        """Take (B, prefix + V, D) over :attr:`visible` apart."""
        return StudentFeatures(*split_prefix(features, features.shape[1] - self.visible.shape[1]))


def split_prefix(tokens: Tensor, num_prefix_tokens: int) -> tuple[Tensor, Tensor]:
    """(B, prefix + K, D) to the prefix (class token) and the tokens of patches."""
    prefix, patches = tokens.split([num_prefix_tokens, tokens.shape[1] - num_prefix_tokens], dim=1)
    return prefix, patches


def _window_slices(size: tuple[int, int], window: int) -> list[tuple[slice, slice, int, int]]:
    """Parts of a grid with windows of one shape: slices of rows and columns, sides of a window.

    At most four: whole windows, those cut off by the right edge, by the lower one, by both.
    """
    axes = [[(slice(0, n - n % window), window), (slice(n - n % window, n), n % window)]
            for n in size]
    return [(rows, columns, height, width) for rows, height in axes[0] for columns, width in axes[1]
            if rows.stop > rows.start and columns.stop > columns.start]


def to_windows(tokens: Tensor, size: tuple[int, int], window: int) -> list[Tensor]:
    """Cut pictures into windows, each of which gets the prefix tokens.

    Windows begin at the upper left; those at the right and lower edge are smaller where the sides
    are no multiple of ``window``. Nothing is padded.

    Args:
        tokens: (B, prefix + rows * columns, D).
        size: (rows, columns).
        window: Tokens of a window's side.

    Returns:
        For each shape of windows, at most four, (B * n, prefix + height * width, D), the windows
        of a picture side by side.
    """
    prefix, patches = split_prefix(tokens, tokens.shape[1] - size[0] * size[1])
    patches = patches.unflatten(1, size)
    groups = []
    for rows, columns, height, width in _window_slices(size, window):
        part = patches[:, rows, columns].unflatten(2, (-1, width)).unflatten(1, (-1, height))
        part = part.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        repeated = prefix[:, None].expand(-1, part.shape[1], -1, -1)
        groups.append(torch.cat([repeated, part], dim=2).flatten(0, 1))
    return groups


def from_windows(groups: Sequence[Tensor], size: tuple[int, int], window: int,
                 batch_size: int) -> Tensor:
    """The inverse of :func:`to_windows`; a prefix token becomes the mean over its windows.

    Args:
        groups: Windows by shape, as :func:`to_windows` returns them.
        size: (rows, columns).
        window: Tokens of a window's side.
        batch_size: B.

    Returns:
        (B, prefix + rows * columns, D).
    """
    grid = groups[0].new_empty(batch_size, *size, groups[0].shape[-1])
    prefixes = []
    for group, (rows, columns, height, width) in zip(
            groups, _window_slices(size, window), strict=True):
        prefix, part = split_prefix(group, group.shape[1] - height * width)
        prefixes.append(prefix.unflatten(0, (batch_size, -1)))
        down = (rows.stop - rows.start) // height
        part = part.unflatten(1, (height, width)).unflatten(0, (batch_size, down, -1))
        grid[:, rows, columns] = part.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return torch.cat([torch.cat(prefixes, dim=1).mean(dim=1), grid.flatten(1, 2)], dim=1)


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
        ValueError: If the input is not of the size the grid was made for.
    """
    view, index = _patch_view(images, ids, grid)
    return view[index]


def scatter_patches(images: Tensor, ids: Tensor, patches: Tensor, grid: TokenGrid) -> Tensor:
    """A copy of ``images`` with the patches ``ids`` replaced by (B, K, C, *patch)."""
    view, index = _patch_view(images.clone(memory_format=torch.contiguous_format), ids, grid)
    view[index] = patches
    return view.reshape(images.shape)
