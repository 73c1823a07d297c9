"""Alignment of student features with a teacher's (AMD, sections 3.3-3.4; DMAE, section 3.2)."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from amd_mm.models.blocks import INIT, build_blocks, init_mask_token, predict_tokens
from amd_mm.positions import sincos_positions
from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask, gather_tokens
from amd_mm.values import CONFIG, FLAG, optional, takes, whole


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
class AlignmentNeck(BaseModule):
    """Projects student features and compares them with the teacher's.

    Owns one linear projection a pair of aligned blocks, shared by both alignments, and one
    generator a pair if there is generation. It sees the teacher's features, never the teacher.

    Args:
        student_dims: Width of the student; filled in by the algorithm.
        teacher_dims: Width of the teacher; filled in by the algorithm.
        num_pairs: Aligned blocks; filled in by the algorithm.
        grid: The tokens; filled in by the algorithm.
        direct: Loss at the visible tokens; None switches direct alignment off.
        generation: Loss at the extra tokens; None switches generation off.
        projection_bias: Whether projections have a bias (DMAE: yes, AMD: no).
        align_cls_token: Whether direct alignment includes the class token (DMAE: yes).
        generator_depth: Blocks of a generator.
        generator_heads: Heads of a generator; None: one a 64 channels, at least 1.
        train_mask_tokens: False freezes the generators' mask tokens at their initial value.
        with_cp: Recompute the generators' blocks in the backward pass.

    Raises:
        ValueError: If both alignments are switched off.
    """

    @takes(
        student_dims=whole(1),
        teacher_dims=whole(1),
        num_pairs=whole(1),
        grid=GRID,
        direct=optional(CONFIG),
        generation=optional(CONFIG),
        projection_bias=FLAG,
        align_cls_token=FLAG,
        generator_depth=whole(1),
        generator_heads=optional(whole(1)),
        train_mask_tokens=FLAG,
        with_cp=FLAG)
    def __init__(self,
                 student_dims: int,
                 teacher_dims: int,
                 num_pairs: int,
                 grid: TokenGrid,
                 direct: dict | None,
                 generation: dict | None,
                 projection_bias: bool = False,
                 align_cls_token: bool = False,
                 generator_depth: int = 2,
                 generator_heads: int | None = None,
                 train_mask_tokens: bool = True,
                 with_cp: bool = False) -> None:
        super().__init__(init_cfg=list(INIT))
        if direct is None and generation is None:
            raise ValueError(
                'AlignmentNeck must align something, got direct=None and generation=None: '
                'give one of them, or use amd_mm.MaskedAutoencoder, which has no teacher.')
        self.align_cls_token = align_cls_token
        self.projections = ModuleList(
            nn.Linear(student_dims, teacher_dims, bias=projection_bias)
            for _ in range(num_pairs))
        self.direct = MODELS.build(direct) if direct else None
        self.generation = MODELS.build(generation) if generation else None
        self.generators = ModuleList(
            FeatureGenerator(teacher_dims, grid, generator_depth,
                             generator_heads or max(1, teacher_dims // 64), train_mask_tokens,
                             with_cp)
            for _ in range(num_pairs if generation else 0))

    @property
    def takes_raw_features(self) -> bool:
        """Whether a loss has the scale of the teacher's features."""
        return any(getattr(loss, 'normalize', None) is None
                   for loss in (self.direct, self.generation) if loss is not None)

    def forward(self, features: Sequence[Tensor],
                mask: TokenMask) -> tuple[list[Tensor], list[Tensor]]:
        """Student features in the teacher's width.

        Args:
            features: (B, prefix + V, student_dims) raw block outputs, one a pair.
            mask: Which tokens they are.

        Returns:
            Projected (B, (prefix +) V, teacher_dims), one a pair, and generated
            (B, E, teacher_dims), one a pair, or none without generation.
        """
        if not self.align_cls_token:
            features = [mask.split_student(f).visible for f in features]
        projected = [projection(f)
                     for projection, f in zip(self.projections, features, strict=True)]
        generated = [generator(mask.split_student(p).visible, mask)
                     for generator, p in zip(self.generators, projected, strict=False)]
        return projected, generated

    def loss(self, features: Sequence[Tensor], teacher_features: Sequence[Tensor],
             mask: TokenMask) -> dict[str, Tensor]:
        """``loss_dir`` and ``loss_gen``, each averaged over the pairs.

        Args:
            features: As in :meth:`forward`.
            teacher_features: (B, prefix + V + E, teacher_dims), one a pair, over
                ``mask.teacher_visible``.
            mask: Which tokens these are.
        """
        projected, generated = self(features, mask)
        targets = [mask.split_teacher(f) for f in teacher_features]
        losses = {}
        if self.direct is not None:
            seen = [torch.cat([t.prefix, t.visible], 1) if self.align_cls_token else t.visible
                    for t in targets]
            losses['loss_dir'] = _mean_loss(self.direct, projected, seen)
        if self.generation is not None:
            losses['loss_gen'] = _mean_loss(
                self.generation, generated, [t.extra for t in targets])
        return losses


def _mean_loss(loss: nn.Module, features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    return sum(loss(f, t) for f, t in zip(features, targets, strict=True)) / len(features)
