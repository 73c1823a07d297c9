"""Cuts the order that a strategy gives at fixed counts (AMD, section 3.2)."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.models.masks.strategy import MaskDraw, MaskStrategy, sort_places
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask
from amd_mm.values import CONFIG, either, list_of, number, one_of, optional, takes, whole

# Strategies without settings, by short names.
_NAMED = dict(random='amd_mm.RandomMasking', tube='amd_mm.TubeMasking')
_STRATEGY = either(one_of(*_NAMED), CONFIG)
_RATIO, _COUNT = number(0, below=1), whole(1)


@MODELS.register_module()
class AsymmetricMaskGenerator(BaseModule):
    """Draws what student and teachers see (AMD, section 3.2; DMAE and MAE: equal sets).

    Give each side a ratio (the fraction masked; floor(ratio * L) tokens are masked) or
    the number of visible tokens. L is the number of tokens that the strategy counts by: those of
    an image or a clip, or of one frame, as under ``'tube'``.

    Args:
        grid: The tokens; filled in by the algorithm from its backbone.
        strategy: Which tokens are seen: ``'random'`` (any L tokens of the sample), ``'tube'``, or
            the config of a :class:`~amd_mm.models.masks.MaskStrategy`.
        student_ratio: In [0, 1); or give ``student_visible``. 0: the student sees everything.
        teacher_ratio: In [0, student_ratio]; or give ``teacher_visible``. A list: one a teacher;
            one draw serves all, what one sees a wider one sees too.
            With neither, the teacher sees what the student sees.
        student_visible: Tokens (a frame) the student sees, in [1, L].
        teacher_visible: Tokens (a frame) the teacher sees, in [student_visible, L], or a list.
        decoder_ratio: Fraction of the masked tokens whose pixels the decoder is not asked
            for, in [0, 1). VideoMAE V2 leaves out half (its section 3.2); 0, the default, is AMD,
            VideoMAE and MAE.
        decoder_strategy: Which those are, as in ``strategy``: tokens that it would show.

    Raises:
        ValueError: For values outside these ranges.
    """

    strategy: MaskStrategy
    decoder_strategy: MaskStrategy

    @takes(
        grid=GRID,
        strategy=_STRATEGY,
        student_ratio=optional(_RATIO),
        teacher_ratio=optional(either(_RATIO, list_of(_RATIO))),
        student_visible=optional(_COUNT),
        teacher_visible=optional(either(_COUNT, list_of(_COUNT))),
        decoder_ratio=_RATIO,
        decoder_strategy=_STRATEGY)
    def __init__(self,
                 grid: TokenGrid,
                 strategy: str | dict,
                 student_ratio: float | None = None,
                 teacher_ratio: float | Sequence[float] | None = None,
                 student_visible: int | None = None,
                 teacher_visible: int | Sequence[int] | None = None,
                 decoder_ratio: float = 0.,
                 decoder_strategy: str | dict = 'random') -> None:
        super().__init__()
        self.grid = grid
        self.strategy = _build(strategy, grid)
        self.decoder_strategy = _build(decoder_strategy, grid)
        self.decoder_ratio = decoder_ratio
        self.length = self.strategy.length
        if student_ratio is None and student_visible is None:
            raise ValueError('Student mask is not set: give student_ratio or student_visible.')
        self._student, = self._count_visible('student', student_ratio, student_visible)
        self._teachers = [self._student]
        if teacher_ratio is not None or teacher_visible is not None:
            self._teachers = self._count_visible('teacher', teacher_ratio, teacher_visible)
        if min(self._teachers) < self._student:
            raise ValueError(
                f'Teacher must see at least what the student sees, {self._student} of '
                f'{self.length} tokens, got {min(self._teachers)}: lower the teacher ratio or '
                'raise the student ratio.')
        self._lists_teachers = any(
            isinstance(value, Sequence) for value in (teacher_ratio, teacher_visible))

    def _count_visible(self, who: str, ratio: float | Sequence[float] | None,
                       visible: int | Sequence[int] | None) -> list[int]:
        """Places that the student, or each teacher, sees."""
        if ratio is not None and visible is not None:
            raise ValueError(
                f'{who}_ratio and {who}_visible exclude each other, got {ratio} and {visible}: '
                'remove one.')
        if visible is None:
            assert ratio is not None
            ratios = ratio if isinstance(ratio, Sequence) else [ratio]
            return [self.length - int(each * self.length) for each in ratios]
        counts = list(visible) if isinstance(visible, Sequence) else [visible]
        if max(counts) > self.length:
            raise ValueError(
                f'{who} must see 1 to {self.length} tokens, got {visible}: change {who}_visible.')
        return counts

    @property
    def _repeats(self) -> int:
        return self.grid.num_tokens // self.length

    @property
    def num_visible(self) -> int:
        """V, tokens the student sees."""
        return self._student * self._repeats

    @property
    def num_predicted(self) -> int:
        """P, tokens whose pixels the decoder predicts."""
        masked = self.grid.num_tokens - self.num_visible
        return masked - int(self.decoder_ratio * masked)

    @property
    def num_extra(self) -> int:
        """E, tokens only the teacher sees, of several that which sees most."""
        return max(self.num_extras)

    @property
    def num_extras(self) -> tuple[int, ...]:
        """Tokens that each teacher sees and the student does not; one number without a list."""
        return tuple((teacher - self._student) * self._repeats for teacher in self._teachers)

    @property
    def needs(self) -> frozenset[str]:
        """What the masks hang on beside the keys: of ``'images'`` and ``'attention'``."""
        strategies = [self.strategy, self.decoder_strategy][:1 + (self.decoder_ratio > 0)]
        return frozenset(strategy.needs for strategy in strategies if strategy.needs)

    def forward(self, keys: Tensor, images: Tensor | None = None,
                attention: Tensor | None = None) -> TokenMask:
        """Masks for a batch.

        Args:
            keys: (B,) int64 sample keys, on the device where the masks are wanted.
            images: (B, C, (T,) H, W), normalised; for strategies that need them.
            attention: (B, N) of a teacher, likewise.

        Returns:
            The masks; a function of the keys, and of what the strategy :attr:`needs`, alone.

        Raises:
            ValueError: If something is needed and not given.
        """
        given = dict(images=images, attention=attention)
        if missing := [name for name in sorted(self.needs) if given[name] is None]:
            raise ValueError(
                f'{type(self.strategy).__name__} needs {missing[0]} beside the keys, got none: '
                f'call the mask generator with {missing[0]}=...')
        draw = MaskDraw(keys, self._student, images, attention)
        order = sort_places(_scores(self.strategy, draw), keys)
        extras = [self._token_ids(order[..., self._student:teacher])
                  for teacher in self._teachers]
        masked = self._token_ids(order[..., self._student:])
        return TokenMask(
            visible=self._token_ids(order[..., :self._student]),
            extra=max(extras, key=lambda ids: ids.shape[1]),
            masked=masked,
            predicted=self._predicted(masked, draw),
            extras=tuple(extras) if self._lists_teachers else ())

    def _predicted(self, masked: Tensor, draw: MaskDraw) -> Tensor:
        if self.decoder_ratio == 0:
            return masked
        # Not the keys of the order above, on which the choice would hang.
        draw = draw._replace(
            keys=~draw.keys, num_seen=int(self.decoder_ratio * self.decoder_strategy.length))
        scores = _scores(self.decoder_strategy, draw).expand(
            -1, self.grid.num_tokens // self.decoder_strategy.length, -1).flatten(1)
        order = sort_places(scores.gather(1, masked), draw.keys)
        chosen = order[:, int(self.decoder_ratio * masked.shape[1]):].sort(dim=1).values
        return masked.gather(1, chosen)

    def _token_ids(self, places: Tensor) -> Tensor:
        """Tokens at places (B, 1, K) of every frame, or at places (B, frames, K) of each."""
        first = torch.arange(self._repeats, device=places.device) * self.length
        return (first[:, None] + places.sort(dim=-1).values).flatten(1)


def _build(strategy: str | dict, grid: TokenGrid) -> MaskStrategy:
    if isinstance(strategy, str):
        strategy = dict(type=_NAMED[strategy])
    return MODELS.build(strategy, default_args=dict(grid=grid))


def _scores(strategy: MaskStrategy, draw: MaskDraw) -> Tensor:
    """(B, 1 or frames, L)."""
    scores = strategy.scores(draw)
    found, length = tuple(scores.shape), strategy.length
    expected = [(len(draw.keys), length),
                (len(draw.keys), strategy.grid.num_tokens // length, length)]
    if found not in expected:
        raise ValueError(
            f'{type(strategy).__name__}.scores must be of shape {expected[0]} or {expected[1]}, '
            f'a number for each of {length} places, got {found}: look at per_frame.')
    return scores.reshape(len(draw.keys), -1, length)
