"""AMD (CVPR 2024) and, by configuration, DMAE (CVPR 2023) and masked feature prediction."""
import logging
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from torch import Tensor

from amd_mm.models.algorithms.base import MaskedPretraining
from amd_mm.models.necks import AlignmentNeck
from amd_mm.models.teachers import Teacher
from amd_mm.models.teachers.base import check_taps
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenMask
from amd_mm.values import CONFIG, list_of, takes, whole

# Alignment over pixels from which a log says so: 170 was seen, where pre-training then failed.
_DROWNING = 10


@MODELS.register_module()
class AMD(MaskedPretraining):
    """Asymmetric masked distillation.

    A frozen teacher sees the student's visible tokens and some extra ones. Besides
    reconstructing pixels, the student aligns its features with the teacher's: directly
    at the tokens both see, through a generator at the extra ones.

    Configurations: equal ratios, direct alignment only, L1 on L2-normalised
    features is DMAE; teacher ratio 0, generation only, ``decoder=None`` and ``head=None``
    is masked feature prediction.

    Args:
        backbone: The student encoder.
        teacher: A :class:`~amd_mm.models.teachers.Teacher`, such as ``amd_mm.FrozenTeacher`` of
            the student's modality and token grid, or any encoder of ``amd_mm.TimmTeacher``.
        taps: Student blocks, counted from 1, aligned with the teacher's taps in order.
        mask_generator: An ``amd_mm.AsymmetricMaskGenerator``.
        neck: An ``amd_mm.AlignmentNeck``.
        decoder: An ``amd_mm.PixelDecoder``, or None for no reconstruction.
        head: An ``amd_mm.PixelHead``, or None with ``decoder=None``.
        data_preprocessor: The host's.
        with_cp: As in :class:`MaskedPretraining`; the teacher has nothing to recompute.
        init_cfg: MMEngine's; never reaches the teacher.

    Raises:
        ValueError: If taps, grids, masks and alignments do not fit each other, or if a
            part of the student would get no gradient.
    """

    teacher: Teacher
    neck: AlignmentNeck

    @takes(teacher=CONFIG, taps=list_of(whole(1)), neck=CONFIG)
    def __init__(self,
                 backbone: dict,
                 teacher: dict,
                 taps: Sequence[int],
                 mask_generator: dict,
                 neck: dict,
                 decoder: dict | None,
                 head: dict | None,
                 data_preprocessor: dict | None = None,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(
            backbone, mask_generator, decoder, head, data_preprocessor, with_cp, init_cfg)
        self.taps = check_taps(taps, self.backbone.depth, 'student')
        # Set past nn.Module: in no state dict, optimizer or DDP bucket (see _apply).
        self.__dict__['teacher'] = MODELS.build(teacher, default_args=dict(
            self._input_statistics(), student_grid=self.backbone.grid))
        self.neck = MODELS.build(neck, default_args=dict(
            student_dims=self.backbone.embed_dims,
            teacher_dims=self.teacher.embed_dims,
            num_pairs=len(self.taps),
            grid=self.backbone.grid,
            with_cp=with_cp))
        self._check_fit()
        if self.decoder is None:
            self.backbone.drop_final_norm()

    def masked_loss(self, images: Tensor, mask: TokenMask) -> dict[str, Tensor]:
        """The terms of the training loss (AMD, section 3), which is the sum of those configured.

        - ``loss_dir``, direct alignment at the tokens that both see (equation 5),
        - ``loss_gen``, generation alignment at the tokens that only the teacher sees (equation 6),
        - ``loss_rec``, the pixels that the student does not see.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: ``visible`` to the student, ``extra`` to the teacher, ``masked``.
        """
        teacher_features = self.teacher(images, mask.teacher_visible)
        latent, features = self.backbone.encode(images, mask.visible, self.taps)
        losses = self.neck.loss(features, teacher_features, mask)
        if self.decoder is not None and self.head is not None:
            losses |= self.head.loss(self.decoder(latent, mask), images, mask)
        return losses

    def check_first_batch(self, images: Tensor, mask: TokenMask,
                          losses: dict[str, Tensor]) -> None:
        """Check that the teacher teaches; it is asked again where a loss is not finite.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: Tokens of each.
            losses: Of :meth:`masked_loss`.

        Raises:
            ValueError: If the teacher's features are not finite.
        """
        values = {name: loss.item() for name, loss in losses.items()}
        if self._any_process(not all(map(math.isfinite, values.values()))):
            self.teacher.require_finite(images, mask.teacher_visible)
        elif self.neck.takes_raw_features and (text := _drowning(values)):
            print_log(text, 'current', level=logging.WARNING)

    def _any_process(self, answer: bool) -> bool:
        """The answer of this process; where the teacher is in pieces all have to do the same."""
        if not self.teacher.is_sharded:
            return answer
        votes = torch.tensor(float(answer), device=next(self.parameters()).device)
        all_reduce(votes, 'sum')
        return bool(votes)

    def _input_statistics(self) -> dict[str, list[float]]:
        """What the teacher is told of its input (0-255); nothing where a pipeline normalises."""
        if not self._normalises:
            return {}
        mean, std = ([255 * value for value in values] for values in self._pixel_statistics())
        return dict(input_mean=mean, input_std=std)

    def _apply(self, fn: Callable, recurse: bool = True) -> 'AMD':
        """Move and cast the teacher along with the module tree it is not in."""
        self.teacher._apply(fn)
        return super()._apply(fn, recurse)

    def _check_fit(self) -> None:
        teacher, masks = self.teacher, self.mask_generator
        if len(self.taps) != len(teacher.taps):
            raise ValueError(
                f'Student and teacher must have as many taps, got {self.taps} and '
                f'{teacher.taps}.')
        if self.backbone.architecture.channels != teacher.channels:
            raise ValueError(
                'Student and teacher must take as many input channels, got '
                f'{self.backbone.architecture.channels} and {teacher.channels}: give both the '
                'same in_channels.')
        seen, tokens = masks.num_visible + masks.num_extra, self.backbone.grid.num_tokens
        if not teacher.sees_subsets and seen < tokens:
            raise ValueError(
                f'{type(teacher).__name__} must see all {tokens} tokens, it cannot leave some out '
                f'here, got {seen}: set model.mask_generator.teacher_ratio=0.')
        if self.neck.align_cls_token and teacher.num_prefix_tokens != (
                self.backbone.num_prefix_tokens):
            raise ValueError(
                'The class token can be aligned where both have one, got '
                f'{self.backbone.num_prefix_tokens} of the student and '
                f'{teacher.num_prefix_tokens} of the teacher: set '
                'model.neck.align_cls_token=False.')
        if self.neck.generation is not None and masks.num_extra == 0:
            remedy = 'raise the student' if masks.num_visible == tokens else 'lower the teacher'
            raise ValueError(
                'Generation alignment needs tokens that only the teacher sees, got equal masks '
                f'of {masks.num_visible} visible tokens: {remedy} ratio, or set generation=None in '
                'the neck.')
        if self.decoder is None and self.taps[-1] != self.backbone.depth:
            raise ValueError(
                f'Without a decoder the deepest student tap must be the last block '
                f'{self.backbone.depth}, got {self.taps[-1]}: the blocks behind it would '
                'never train.')


def _drowning(losses: Mapping[str, float]) -> str | None:
    """What to say where alignment is so large beside the pixels that these do not count."""
    alignment = {name: value for name, value in losses.items() if name != 'loss_rec'}
    pixels = losses.get('loss_rec', math.inf)
    if sum(alignment.values()) <= _DROWNING * pixels:
        return None
    found = ' and '.join(f'{name} {value:.3g}' for name, value in alignment.items())
    return (
        f'The raw features of the teacher are so large that their loss drowns the pixels: {found} '
        f'beside loss_rec {pixels:.3g} in the first batch. AMD was released so, with a ViT-L for '
        'a teacher; from small teachers the student learns little then. '
        "model.neck.direct.normalize='layer_norm' and model.neck.generation.normalize='layer_norm' "
        'make them of one scale; so does a smaller loss_weight there.')
