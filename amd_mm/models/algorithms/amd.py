"""AMD (CVPR 2024) and, by configuration, DMAE (CVPR 2023) and masked feature prediction."""
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmengine.model import ModuleDict
from torch import Tensor

from amd_mm.models.algorithms.base import MaskedPretraining
from amd_mm.models.algorithms.lesson import TAPS, Lesson, build_lessons, moved
from amd_mm.models.teachers import Teacher
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenMask
from amd_mm.values import CONFIG, either, instance, list_of, optional, takes

_ONE_OF_SEVERAL = instance(dict, 'a dict of name, teacher, taps and neck')
# Alignment over pixels from which a log says so: 170 was seen, where pre-training then failed.
_DROWNING = 10


@MODELS.register_module()
class AMD(MaskedPretraining):
    """Asymmetric masked distillation.

    A frozen teacher sees the student's visible tokens and some extra ones. Besides
    reconstructing pixels, the student aligns its features with the teacher's: directly
    at the tokens both see, through a generator at the extra ones. Of several teachers each has
    its own taps, neck and extra tokens.

    Configurations: equal ratios, direct alignment only, L1 on L2-normalised
    features is DMAE; teacher ratio 0, generation only, ``decoder=None`` and ``head=None``
    is masked feature prediction.

    Args:
        backbone: The student encoder.
        teacher: A :class:`~amd_mm.models.teachers.Teacher`, such as ``amd_mm.FrozenTeacher`` of
            the student's modality and token grid, or any encoder of ``amd_mm.TimmTeacher``
            or ``amd_mm.TransformersTeacher``. Or a list of several, each ``dict(name='image',
            teacher=dict(...), taps=[...], neck=dict(...))``, whose names stand behind those of
            their losses.
        taps: Student blocks, counted from 1, aligned with the teacher's taps in order; None with
            several teachers.
        mask_generator: An ``amd_mm.AsymmetricMaskGenerator``.
        neck: An ``amd_mm.AlignmentNeck`` or ``amd_mm.RelationNeck``; None with several teachers.
        decoder: An ``amd_mm.PixelDecoder``, or None for no reconstruction.
        head: An ``amd_mm.PixelHead``, or None with ``decoder=None``.
        data_preprocessor: The host's.
        with_cp: As in :class:`MaskedPretraining`; a teacher has nothing to recompute.
        init_cfg: MMEngine's; never reaches a teacher.

    Attributes:
        lessons: What is learnt of each teacher.
        taps: The student's blocks that are read, for all of them.

    Raises:
        ValueError: If taps, grids, masks and alignments do not fit each other, teachers have no or
            equal names, or a part of the student would get no gradient.
    """

    offers_masks = frozenset({'images', 'attention'})
    lessons: list[Lesson]

    @takes(teacher=either(CONFIG, list_of(_ONE_OF_SEVERAL)), taps=optional(TAPS),
           neck=optional(CONFIG))
    def __init__(self,
                 backbone: dict,
                 teacher: dict | Sequence[dict],
                 taps: Sequence[int] | None,
                 mask_generator: dict,
                 neck: dict | None,
                 decoder: dict | None,
                 head: dict | None,
                 data_preprocessor: dict | None = None,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(
            backbone, mask_generator, decoder, head, data_preprocessor, with_cp, init_cfg)
        # A list hides teachers from nn.Module: in no state dict, optimizer or DDP bucket.
        self.lessons = build_lessons(
            teacher, taps, neck, self.backbone, self.mask_generator, self._input_statistics(),
            with_cp)
        if isinstance(teacher, dict):
            self.neck = self.lessons[0].neck
        else:
            self.necks = ModuleDict({lesson.name: lesson.neck for lesson in self.lessons})
        self.taps = sorted({tap for lesson in self.lessons for tap in lesson.taps})
        self._check_predictions()
        self._drop_what_nothing_reads()

    @property
    def teacher(self) -> Teacher:
        """The only teacher.

        Raises:
            AttributeError: If there are several.
        """
        if len(self.lessons) > 1:
            raise AttributeError('there are several teachers, in lessons')
        return self.lessons[0].teacher

    def draw_mask(self, images: Tensor, keys: Tensor) -> TokenMask:
        """As the parent's, with the attention of the teacher, of several the first, if needed."""
        if 'attention' not in self.mask_generator.needs:
            return super().draw_mask(images, keys)
        return self.mask_generator(keys, images, self.lessons[0].teacher.attention(images))

    def masked_loss(self, images: Tensor, mask: TokenMask) -> dict[str, Tensor]:
        """The terms of the training loss (AMD, section 3), which is the sum of those configured.

        - ``loss_dir``, direct alignment at the tokens that both see (equation 5),
        - ``loss_gen``, generation alignment at the tokens that only the teacher sees (equation 6),
        - ``loss_rec``, the pixels that the student does not see, or a teacher's prediction of them,
        - ``loss_qk``, ``loss_vv``, relations between tokens, of ``amd_mm.RelationNeck``.

        Of several teachers each has its own, with its name behind: ``loss_dir_image``.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: ``visible`` to the student, ``extra`` to the teacher, ``masked``.
        """
        targets, pixels = self._read_teachers(images, mask)
        latent, student = self._read_student(images, mask)
        losses: dict[str, Tensor] = {}
        masks = self.teacher_masks(mask)
        for lesson, target, seen in zip(self.lessons, targets, masks, strict=True):
            losses |= lesson.loss(student[lesson.neck.reads], target, seen)
        if self.decoder is not None and self.head is not None:
            predicted = next((found for found in pixels if found is not None), None)
            losses |= self.head.loss(self.decoder(latent, mask), images, mask, predicted)
        return losses

    def read_taps(self, images: Tensor,
                  mask: TokenMask) -> tuple[Sequence[list], dict[str, dict[int, Any]]]:
        """What is compared: of each teacher a list of its taps, of the student by block.

        Args:
            images: As in :meth:`masked_loss`.
            mask: As in :meth:`masked_loss`.

        Returns:
            For each lesson, one a tap; what necks read (``'features'``, ``'relations'``) by number
            of the student's block.
        """
        return self._read_teachers(images, mask)[0], self._read_student(images, mask)[1]

    def observe(self, images: Tensor, mask: TokenMask) -> None:
        """Let necks gather statistics of their teachers, as long as they want to.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: Tokens of each.
        """
        for lesson, seen in zip(self.lessons, self.teacher_masks(mask), strict=True):
            if lesson.neck.is_observing:
                lesson.neck.observe(lesson.read_teacher(images, seen)[0], seen)

    def check_first_batch(self, images: Tensor, mask: TokenMask,
                          losses: dict[str, Tensor]) -> None:
        """Check that the teachers teach; they are asked again where a loss is not finite.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: Tokens of each.
            losses: Of :meth:`masked_loss`.

        Raises:
            ValueError: If a teacher's features are not finite.
        """
        values = {name: loss.item() for name, loss in losses.items()}
        if self._any_process(not all(map(math.isfinite, values.values()))):
            for lesson, seen in zip(self.lessons, self.teacher_masks(mask), strict=True):
                with lesson.speaking():
                    lesson.teacher.require_finite(images, seen.teacher_visible)
            return
        for lesson in self.lessons:
            if lesson.neck.takes_raw_features and (text := _drowning(lesson, values)):
                print_log(text, 'current', level=logging.WARNING)

    def _read_teachers(self, images: Tensor,
                       mask: TokenMask) -> tuple[Sequence[list], Sequence[Tensor | None]]:
        """What necks read of each teacher, and the pixels that it predicts."""
        targets, pixels = zip(*(lesson.read_teacher(images, seen) for lesson, seen
                                in zip(self.lessons, self.teacher_masks(mask), strict=True)),
                              strict=True)
        return targets, pixels

    def _read_student(self, images: Tensor,
                      mask: TokenMask) -> tuple[Tensor | None, dict[str, dict[int, Any]]]:
        """The latent, and what necks read of blocks by number; nothing is run for nobody."""
        latent: Tensor | None = None
        features: list[Tensor] = []
        taps = self._taps_of('features')
        if taps or self.decoder is not None:
            latent, features = self.backbone.encode(images, mask.visible, taps)
        relations = {tap: self.backbone.project(images, mask.visible, tap)
                     for tap in self._taps_of('relations')}
        return latent, dict(features=dict(zip(taps, features, strict=True)), relations=relations)

    def _taps_of(self, reads: str) -> list[int]:
        """The student's blocks of which necks read this."""
        return sorted({tap for lesson in self.lessons for tap in lesson.taps
                       if lesson.neck.reads == reads})

    def _check_predictions(self) -> None:
        predicting = sum(lesson.teacher.predicts_pixels for lesson in self.lessons)
        if predicting > 1 or (predicting and self.decoder is None):
            raise ValueError(
                'One teacher can predict the pixels that the student learns, and the student needs '
                f'a decoder then, got {predicting} teachers with a decoder and model.decoder '
                f'{"None" if self.decoder is None else "set"}: set decoder=None of the others, or '
                'give model.decoder and model.head.')

    def _drop_what_nothing_reads(self) -> None:
        if self.decoder is not None:
            return
        if self.taps[-1] != self.backbone.depth:
            raise ValueError(
                f'Without a decoder the deepest student tap must be the last block '
                f'{self.backbone.depth}, got {self.taps[-1]}: the blocks behind it would '
                'never train.')
        if self.backbone.depth in self._taps_of('features'):
            self.backbone.drop_final_norm()
        else:
            self.backbone.freeze_behind_projections()

    def teacher_masks(self, mask: TokenMask) -> list[TokenMask]:
        """What each teacher sees; a single ratio serves all of them."""
        return [mask.seen_by(number if len(mask.extras) > 1 else 0)
                for number in range(len(self.lessons))]

    def _any_process(self, answer: bool) -> bool:
        """The answer of this process; where a teacher is in pieces all have to do the same."""
        if not any(lesson.teacher.is_sharded for lesson in self.lessons):
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
        """Move and cast the teachers along with the module tree they are not in."""
        for lesson in self.lessons:
            lesson.teacher._apply(fn)
        return super()._apply(fn, recurse)


def _drowning(lesson: Lesson, losses: Mapping[str, float]) -> str | None:
    """What to say where alignment is so large beside the pixels that these do not count."""
    alignment = {name: losses[name] for name in map(lesson.key, ('loss_dir', 'loss_gen'))
                 if name in losses}
    pixels = losses.get('loss_rec', math.inf)
    if sum(alignment.values()) <= _DROWNING * pixels:
        return None
    found = ' and '.join(f'{name} {value:.3g}' for name, value in alignment.items())
    which = f'teacher {lesson.name!r}' if lesson.name else 'teacher'
    return moved(
        f'The raw features of the {which} are so large that their loss drowns the pixels: {found} '
        f'beside loss_rec {pixels:.3g} in the first batch. AMD was released so, with a ViT-L for '
        'a teacher; what is better has to be tried (raw_features in docs/evidence.md). '
        "model.neck.direct.normalize='layer_norm' and model.neck.generation.normalize='layer_norm' "
        'make them of one scale; so does a smaller loss_weight there.', lesson.place)
