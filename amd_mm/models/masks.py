"""Which tokens student and teacher see (AMD, section 3.2)."""
import torch
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.keys import hash_positions
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask
from amd_mm.values import number, one_of, optional, takes, whole


@MODELS.register_module()
class AsymmetricMaskGenerator(BaseModule):
    """Draws what student and teacher see (AMD, section 3.2; DMAE and MAE: equal sets).

    Give each side a ratio (the fraction masked; floor(ratio * L) tokens are masked) or
    the number of visible tokens. L is the number of tokens of an image, or of one
    frame under ``'tube'``, where every frame shows the same places.

    Args:
        grid: The tokens; filled in by the algorithm from its backbone.
        strategy: ``'random'`` (any L tokens of the sample) or ``'tube'``.
        student_ratio: In [0, 1); or give ``student_visible``.
        teacher_ratio: In [0, student_ratio]; or give ``teacher_visible``.
            With neither, the teacher sees what the student sees.
        student_visible: Tokens (a frame) the student sees, in [1, L].
        teacher_visible: Tokens (a frame) the teacher sees, in [student_visible, L].
        decoder_ratio: Fraction of the masked tokens whose pixels the decoder is not asked
            for, any places of any frame, in [0, 1). VideoMAE V2 leaves out half (its
            section 3.2, with another pattern); 0, the default, is AMD, VideoMAE and MAE.

    Raises:
        ValueError: For values outside these ranges.
    """

    STRATEGIES = ('random', 'tube')

    @takes(
        grid=GRID,
        strategy=one_of(*STRATEGIES),
        student_ratio=optional(number(0, below=1)),
        teacher_ratio=optional(number(0, below=1)),
        student_visible=optional(whole(1)),
        teacher_visible=optional(whole(1)),
        decoder_ratio=number(0, below=1))
    def __init__(self,
                 grid: TokenGrid,
                 strategy: str,
                 student_ratio: float | None = None,
                 teacher_ratio: float | None = None,
                 student_visible: int | None = None,
                 teacher_visible: int | None = None,
                 decoder_ratio: float = 0.) -> None:
        super().__init__()
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
        self.decoder_ratio = decoder_ratio

    def _count_visible(self, who: str, ratio: float | None, visible: int | None) -> int:
        if ratio is not None and visible is not None:
            raise ValueError(
                f'{who}_ratio and {who}_visible exclude each other, got {ratio} and {visible}: '
                'remove one.')
        if visible is None:
            assert ratio is not None
            visible = self.length - int(ratio * self.length)
        if visible > self.length:
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
