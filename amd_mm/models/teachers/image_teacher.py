"""Encoders of other libraries as teachers: of pictures or clips, or of clips frame by frame."""
from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from amd_mm.models.teachers.base import Teacher, resize_frames
from amd_mm.tokens import TokenGrid, gather_tokens


class ImageTeacher(Teacher):
    """A library's encoder, given pictures or clips that it cuts into the student's tokens.

    The input is resized, on the device, to (rows x columns of the student's tokens) times the
    teacher's patch, so that each of its tokens covers what one of the student's covers. An encoder
    of clips sees them whole; one of pictures sees the frames of a clip that ``frames`` says, one by
    one, and all of their tokens.

    Attributes:
        picture_size: (rows, columns) in pixels of the pictures or frames that it is given.
    """

    def fit(self, student_grid: TokenGrid | None, patch: tuple[int, ...],
            own_size: tuple[int, ...], match: str | None, frames: str | None) -> None:
        """Settle what the encoder is given for the student's tokens.

        Args:
            student_grid: None: those of input of its own size.
            patch: Pixels of one of the teacher's tokens, rows and columns; frames before them for
                an encoder of clips.
            own_size: Pixels of its own input along the same axes.
            match: None, or ``'interpolate'``: pictures of its own size, and features interpolated
                to the student's grid.
            frames: For clips seen picture by picture, which one stands for the frames of a token:
                ``'first'`` or ``'mean'``.

        Raises:
            ValueError: If the teacher or a setting does not go with the student, or for ``match``
                where the patch does not divide its own size.
        """
        if student_grid is None:
            student_grid = TokenGrid.of_input(own_size, patch)
        sees_clips = len(patch) == 3
        if sees_clips:
            _check_clips(student_grid, patch, match, frames)
        elif frames not in (('first', 'mean') if student_grid.is_video else (None, )):
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
        height, width = own_size[-2:] if match else (rows * patch[-2], columns * patch[-1])
        self.picture_size = height, width
        time = (student_grid.num_frames * patch[0], ) if sees_clips else ()
        self._own_grid = TokenGrid.of_input((*time, height, width), tuple(patch))
        self.sees_subsets = self.can_leave_out and match is None and frames is None

    def align_registers(self, count: int, who: str) -> None:
        """Let features have register tokens, behind the class token.

        Args:
            count: How many the encoder has.
            who: Its name.

        Raises:
            ValueError: If there is none, or every frame of a clip has its own.
        """
        if count == 0 or self.grid.is_video:
            raise ValueError(
                "registers='align' needs a teacher with register tokens and a student of pictures, "
                f'got {who} with {count} and a student of '
                f"{'clips' if self.grid.is_video else 'pictures'}: set model.teacher.registers="
                "'drop'")
        self.num_register_tokens = count
        self.num_prefix_tokens += count

    # Whether the library's blocks can attend over some tokens only.
    can_leave_out: bool = False

    @abstractmethod
    def encode(self, pictures: Tensor,
               token_ids: Tensor | None) -> list[tuple[Tensor, Tensor]]:
        """Class tokens (B, 0 or 1, D) and patch tokens (B, K, D) at each tap.

        Args:
            pictures: (B, C, (T,) *picture_size), normalised by the teacher's own statistics; T
                for an encoder of clips.
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
        """(B, C, (T,) H, W) to (B or B * frames, C, (T,) *picture_size)."""
        if self.frames is not None:
            batch, channels, _, rows, columns = images.shape
            tubelets = images.reshape(batch, channels, -1, self.grid.patch[0], rows, columns)
            chosen = tubelets[:, :, :, 0] if self.frames == 'first' else tubelets.mean(3)
            images = chosen.transpose(1, 2).flatten(0, 1)
        return resize_frames(images, self.picture_size)

    def _at(self, token_ids: Tensor, prefix: Tensor, patches: Tensor) -> Tensor:
        """The features of some of the student's tokens, from those of whole pictures."""
        if self.match is not None:
            patches = _resized(patches, self._own_grid.size, self.grid.size[-2:])
        if self.frames is None:
            return torch.cat([prefix, gather_tokens(patches, token_ids)], 1)
        return gather_tokens(patches.reshape(len(token_ids), -1, patches.shape[-1]), token_ids)


def _check_clips(grid: TokenGrid, patch: tuple[int, ...], match: str | None,
                 frames: str | None) -> None:
    """Check that an encoder of clips goes with the student and the settings.

    Raises:
        ValueError: If it does not.
    """
    if not grid.is_video:
        raise ValueError(
            'A teacher of clips needs a student of clips, got one of pictures: take a teacher of '
            'pictures.')
    if grid.patch[0] != patch[0]:
        raise ValueError(
            f'Student and teacher must put as many frames into a token, got {grid.patch[0]} and '
            f'{patch[0]}: set tubelet_size={patch[0]} in model.backbone.')
    if match is not None or frames is not None:
        raise ValueError(
            'match and frames must be None for a teacher that sees clips whole, got '
            f'{match!r} and {frames!r}: leave them out of model.teacher.')


def _resized(tokens: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """(B, rows * columns, D) from one grid to another, bilinearly."""
    image = tokens.transpose(1, 2).unflatten(2, tuple(old)).float()
    resized = F.interpolate(image, tuple(new), mode='bilinear', antialias=True)
    return resized.flatten(2).transpose(1, 2)
