"""Encoders of pictures as teachers of any student: of pictures, or of clips frame by frame."""
from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from amd_mm.models.teachers.base import Teacher
from amd_mm.tokens import TokenGrid, gather_tokens


class ImageTeacher(Teacher):
    """A library's encoder of pictures, given pictures that it cuts into the student's tokens.

    The input is resized, on the device, to (rows x columns of the student's tokens) times the
    teacher's patch, so that each of its tokens covers what one of the student's covers. Of a clip
    it sees the frames that ``frames`` says, one by one, and all of their tokens.

    Attributes:
        picture_size: (rows, columns) in pixels of what it is given.
    """

    def fit(self, student_grid: TokenGrid | None, patch: tuple[int, int],
            own_size: tuple[int, int], match: str | None, frames: str | None) -> None:
        """Settle what the encoder is given for the student's tokens.

        Args:
            student_grid: None: those of pictures of its own size.
            patch: Pixels of one of the teacher's tokens, rows and columns.
            own_size: Pixels of the pictures that it was trained on.
            match: None, or ``'interpolate'``: pictures of its own size, and features interpolated
                to the student's grid.
            frames: For clips, which picture stands for the frames of a token: ``'first'`` or
                ``'mean'``.

        Raises:
            ValueError: If ``frames`` do not go with the student, or for ``match`` where the patch
                does not divide its own size.
        """
        if student_grid is None:
            student_grid = TokenGrid.of_input(own_size, patch)
        if frames not in (('first', 'mean') if student_grid.is_video else (None, )):
            raise ValueError(
                f'frames of an image teacher must be '
                f"{'first or mean' if student_grid.is_video else 'None'} for a student of "
                f"{'clips' if student_grid.is_video else 'pictures'}, got {frames!r}: set "
                "model.teacher.frames")
        if match and any(side % step for side, step in zip(own_size, patch, strict=True)):
            raise ValueError(
                f"match='interpolate' gives the teacher pictures of its own size, {own_size}, "
                f'which must be a multiple of its patch {patch}: set model.teacher.match=None.')
        self.grid, self.frames, self.match = student_grid, frames, match
        rows, columns = student_grid.size[-2:]
        self.picture_size = own_size if match else (rows * patch[0], columns * patch[1])
        self._own_grid = TokenGrid.of_input(self.picture_size, patch)
        self.sees_subsets = (
            self.can_leave_out and match is None and not student_grid.is_video)

    # Whether the library's blocks can attend over some tokens only.
    can_leave_out: bool = False

    @abstractmethod
    def encode(self, pictures: Tensor,
               token_ids: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """Class tokens (B, 0 or 1, D) and patch tokens (B, K, D) at each tap.

        Args:
            pictures: (B, C, *picture_size), normalised by the teacher's own statistics.
            token_ids: (B, K), the tokens to attend over, in this order; None: all, in raster order.
        """

    def features(self, images: Tensor, token_ids: Tensor) -> list[Tensor]:
        """As :meth:`Teacher.features`."""
        pictures = self._pictures(images)
        if self.sees_subsets:
            return [torch.cat(parts, 1) for parts in self.encode(pictures, token_ids)]
        return [self._at(token_ids, *parts) for parts in self.encode(pictures, None)]

    def attention(self, images: Tensor) -> Tensor:
        """As :meth:`Teacher.attention`, of every picture on its own."""
        found = self._attention(images, self._own_grid.num_tokens)
        if self.match is not None:
            found = _resized(found[..., None], self._own_grid.size, self.grid.size[-2:])
        return found.reshape(len(images), -1)

    def _pictures(self, images: Tensor) -> Tensor:
        """(B, C, (T,) H, W) to (B or B * frames, C, *picture_size)."""
        if self.grid.is_video:
            batch, channels, _, rows, columns = images.shape
            tubelets = images.reshape(batch, channels, -1, self.grid.patch[0], rows, columns)
            chosen = tubelets[:, :, :, 0] if self.frames == 'first' else tubelets.mean(3)
            images = chosen.transpose(1, 2).flatten(0, 1)
        if tuple(images.shape[-2:]) == self.picture_size:
            return images
        return F.interpolate(images, self.picture_size, mode='bicubic', antialias=True)

    def _at(self, token_ids: Tensor, prefix: Tensor, patches: Tensor) -> Tensor:
        """The features of some of the student's tokens, from those of whole pictures."""
        if self.match is not None:
            patches = _resized(patches, self._own_grid.size, self.grid.size[-2:])
        if not self.grid.is_video:
            return torch.cat([prefix, gather_tokens(patches, token_ids)], 1)
        return gather_tokens(patches.reshape(len(token_ids), -1, patches.shape[-1]), token_ids)


def _resized(tokens: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """(B, rows * columns, D) from one grid to another, bilinearly."""
    image = tokens.transpose(1, 2).unflatten(2, tuple(old)).float()
    resized = F.interpolate(image, tuple(new), mode='bilinear', antialias=True)
    return resized.flatten(2).transpose(1, 2)
