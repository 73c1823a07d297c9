"""Alignment of student features with a teacher's (AMD, sections 3.3-3.4; DMAE, section 3.2)."""
import operator
from collections.abc import Sequence
from functools import reduce

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from amd_mm.models.blocks import INIT, build_blocks, init_mask_token, predict_tokens
from amd_mm.models.necks.neck import Neck
from amd_mm.positions import sincos_positions
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask, gather_tokens
from amd_mm.values import CONFIG, FLAG, list_of, one_of, optional, takes, whole


class FeatureGenerator(BaseModule):
    """Predicts the teacher's features at the extra tokens from projected student features.

    Args:
        dims: Width of the teacher.
        grid: The tokens.
        depth: Number of blocks, at least 1.
        num_heads: Attention heads.
        train_mask_token: False keeps it at its initial value, as the released code does.
        with_cp: Recompute blocks in the backward pass instead of keeping activations.
    """

    def __init__(self, dims: int, grid: TokenGrid, depth: int, num_heads: int,
                 train_mask_token: bool, with_cp: bool) -> None:
        super().__init__(init_cfg=list(INIT))
        self.grid = grid
        self.with_cp = with_cp
        self.mask_token = nn.Parameter(
            torch.zeros(1, 1, dims), requires_grad=train_mask_token)
        self.register_buffer('pos_embed', sincos_positions(grid, dims), persistent=False)
        self.blocks = build_blocks(grid, dims, depth, num_heads)

    def init_weights(self) -> None:
        """MAE's initial weights, the mask token's too."""
        super().init_weights()
        init_mask_token(self.mask_token, self.grid)

    def forward(self, projected: Tensor, mask: TokenMask) -> Tensor:
        """(B, V, dims) at the visible tokens to (B, E, dims) at the extra ones."""
        x = torch.cat([
            projected + gather_tokens(self.pos_embed, mask.visible),
            self.mask_token + gather_tokens(self.pos_embed, mask.extra)
        ], dim=1)
        return predict_tokens(self.blocks, x, mask.extra.shape[1], self.with_cp and self.training)


@MODELS.register_module()
class AlignmentNeck(Neck):
    """Projects student features and compares them with the teacher's.

    Owns one projection a pair of aligned blocks and one generator a pair that is generated. It
    sees the teacher's features, never the teacher.

    Args:
        student_dims: Width of the student; filled in by the algorithm.
        teacher_dims: Width of the teacher; filled in by the algorithm.
        num_pairs: Aligned blocks; filled in by the algorithm.
        grid: The tokens; filled in by the algorithm.
        direct: Loss at the visible tokens; None switches direct alignment off.
        generation: Loss at the extra tokens; None switches generation off.
        direct_pairs: Pairs for direct alignment, counted from 1, such as ``[1, 2]``; None: all.
        generation_pairs: Likewise for generation.
        alignment: ``'serial'``: a generator starts from the projected features, which direct
            alignment compares (AMD); ``'parallel'``: it has a projection of its own.
        projection: ``'linear'`` or ``'mlp'``: two linear layers, GELU between them, as wide as the
            teacher (DMAE's released code offers both).
        projection_bias: Whether projections have a bias (DMAE: yes, AMD: no).
        align_cls_token: Whether direct alignment includes the class token (DMAE: yes).
        generator_depth: Blocks of a generator.
        generator_heads: Heads of a generator; None: one a 64 channels, at least 1.
        standardize: An ``amd_mm.TeacherStandardization``, one a pair, of the teacher's features
            before they are compared; None: as they are.
        train_mask_tokens: False freezes the generators' mask tokens at their initial value.
        with_cp: Recompute the generators' blocks in the backward pass.

    Raises:
        ValueError: If both alignments are switched off, if pairs are none of the pairs or a pair
            is in neither alignment, or for ``'parallel'`` without both alignments.
    """

    reads = 'features'

    @takes(
        student_dims=whole(1),
        teacher_dims=whole(1),
        num_pairs=whole(1),
        grid=GRID,
        direct=optional(CONFIG),
        generation=optional(CONFIG),
        direct_pairs=optional(list_of(whole(1))),
        generation_pairs=optional(list_of(whole(1))),
        alignment=one_of('serial', 'parallel'),
        projection=one_of('linear', 'mlp'),
        projection_bias=FLAG,
        align_cls_token=FLAG,
        generator_depth=whole(1),
        generator_heads=optional(whole(1)),
        standardize=optional(CONFIG),
        train_mask_tokens=FLAG,
        with_cp=FLAG)
    def __init__(self,
                 student_dims: int,
                 teacher_dims: int,
                 num_pairs: int,
                 grid: TokenGrid,
                 direct: dict | None,
                 generation: dict | None,
                 direct_pairs: Sequence[int] | None = None,
                 generation_pairs: Sequence[int] | None = None,
                 alignment: str = 'serial',
                 projection: str = 'linear',
                 projection_bias: bool = False,
                 align_cls_token: bool = False,
                 generator_depth: int = 2,
                 generator_heads: int | None = None,
                 standardize: dict | None = None,
                 train_mask_tokens: bool = True,
                 with_cp: bool = False) -> None:
        super().__init__(init_cfg=list(INIT))
        if direct is None and generation is None:
            raise ValueError(
                'AlignmentNeck must align something, got direct=None and generation=None: '
                'give one of them, or use amd_mm.MaskedAutoencoder, which has no teacher.')
        if alignment == 'parallel' and (direct is None or generation is None):
            raise ValueError(
                "alignment='parallel' of AlignmentNeck needs both direct and generation, got only "
                "one of them: leave alignment out.")
        self.align_cls_token = align_cls_token
        self.direct_pairs = _places('direct', direct, direct_pairs, num_pairs)
        self.generation_pairs = _places('generation', generation, generation_pairs, num_pairs)
        if idle := set(range(num_pairs)) - {*self.direct_pairs, *self.generation_pairs}:
            raise ValueError(
                f'Every pair of taps must be aligned, got {num_pairs} pairs of which '
                f'{[1 + place for place in sorted(idle)]} are in neither direct_pairs nor '
                'generation_pairs: add them there, or take them out of both taps.')

        def projections(count: int) -> ModuleList:
            return ModuleList(_projection(student_dims, teacher_dims, projection, projection_bias)
                              for _ in range(count))

        self.is_serial = alignment == 'serial'
        self.projections = projections(num_pairs if self.is_serial else len(self.direct_pairs))
        self.generator_projections = projections(
            0 if self.is_serial else len(self.generation_pairs))
        self.direct = MODELS.build(direct) if direct else None
        self.generation = MODELS.build(generation) if generation else None
        self.generators = ModuleList(
            FeatureGenerator(teacher_dims, grid, generator_depth,
                             generator_heads or max(1, teacher_dims // 64), train_mask_tokens,
                             with_cp)
            for _ in self.generation_pairs)
        self.standardizations = ModuleList(
            MODELS.build(standardize, default_args=dict(dims=teacher_dims))
            for _ in range(num_pairs if standardize else 0))
        self.generates = generation is not None
        self.takes_raw_features = standardize is None and any(
            # A loss of one's own may have no such setting to be told of.
            getattr(loss, 'normalize', '') is None
            for loss in (self.direct, self.generation) if loss is not None)

    @property
    def is_observing(self) -> bool:
        """As :attr:`Neck.is_observing`."""
        return not all(part.is_settled for part in self.standardizations)

    def observe(self, teacher_features: Sequence[Tensor], mask: TokenMask) -> None:
        """As :meth:`Neck.observe`, of the class token only where it is compared."""
        for part, features in zip(self.standardizations, teacher_features, strict=True):
            found = mask.split_teacher(features)
            part.observe(torch.cat([found.seen(self.align_cls_token), found.extra], 1))

    def forward(self, features: Sequence[Tensor],
                mask: TokenMask) -> tuple[list[Tensor], list[Tensor]]:
        """Student features in the teacher's width.

        Args:
            features: (B, prefix + V, student_dims) raw block outputs, one a pair.
            mask: Which tokens they are.

        Returns:
            Projected (B, (prefix +) V, teacher_dims), one a pair that is aligned directly, and
            generated (B, E, teacher_dims), one a pair that is generated.
        """
        if not self.align_cls_token:
            features = [mask.split_student(f).visible for f in features]
        if self.is_serial:
            features = _each(self.projections, features)
        direct = [features[place] for place in self.direct_pairs]
        seeds = [features[place] for place in self.generation_pairs]
        if not self.is_serial:
            direct = _each(self.projections, direct)
            seeds = _each(self.generator_projections, seeds)
        generated = [generator(mask.split_student(seed).visible, mask)
                     for generator, seed in zip(self.generators, seeds, strict=True)]
        return direct, generated

    def loss(self, features: Sequence[Tensor], teacher_features: Sequence[Tensor],
             mask: TokenMask) -> dict[str, Tensor]:
        """``loss_dir`` and ``loss_gen``, each averaged over its pairs.

        Args:
            features: As in :meth:`forward`.
            teacher_features: (B, prefix + V + E, teacher_dims), one a pair, over
                ``mask.teacher_visible``.
            mask: Which tokens these are.
        """
        return {name: reduce(operator.add, losses.values()) / len(losses)
                for name, losses in self.pair_losses(features, teacher_features, mask).items()}

    def pair_losses(self, features: Sequence[Tensor], teacher_features: Sequence[Tensor],
                    mask: TokenMask) -> dict[str, dict[int, Tensor]]:
        """As :meth:`Neck.pair_losses`."""
        projected, generated = self(features, mask)
        if self.standardizations:
            teacher_features = _each(self.standardizations, teacher_features)
        targets = [mask.split_teacher(f) for f in teacher_features]
        losses = {}
        if self.direct is not None:
            losses['loss_dir'] = {
                place: self.direct(feature, targets[place].seen(self.align_cls_token))
                for place, feature in zip(self.direct_pairs, projected, strict=True)}
        if self.generation is not None:
            losses['loss_gen'] = {
                place: self.generation(feature, targets[place].extra)
                for place, feature in zip(self.generation_pairs, generated, strict=True)}
        return losses


def _projection(student_dims: int, teacher_dims: int, kind: str, bias: bool) -> nn.Module:
    first = nn.Linear(student_dims, teacher_dims, bias=bias)
    if kind == 'linear':
        return first
    return nn.Sequential(first, nn.GELU(), nn.Linear(teacher_dims, teacher_dims, bias=bias))


def _places(which: str, loss: dict | None, pairs: Sequence[int] | None,
            num_pairs: int) -> list[int]:
    """Pairs of an alignment, counted from 0; none where it is switched off.

    Raises:
        ValueError: If they are not different numbers of pairs, or belong to no loss.
    """
    if loss is None:
        if pairs is not None:
            raise ValueError(f'{which}_pairs belongs to a loss, got {list(pairs)} and {which}=None:'
                             ' leave it out, or give the loss.')
        return []
    chosen = range(1, num_pairs + 1) if pairs is None else pairs
    if len(set(chosen)) < len(chosen) or max(chosen) > num_pairs:
        raise ValueError(
            f'{which}_pairs must be different pairs of taps, counted from 1, up to {num_pairs}, '
            f'got {list(chosen)}.')
    return [pair - 1 for pair in chosen]


def _each(parts: ModuleList, features: Sequence[Tensor]) -> list[Tensor]:
    return [part(f) for part, f in zip(parts, features, strict=True)]
