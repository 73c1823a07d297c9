"""Projection and generation by hand, and the loss of each alignment."""
import pytest
import torch
import torch.nn.functional as F
from losses import LAYER_NORM_L2, RAW_L2

from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.models.necks import AlignmentNeck
from amd_mm.positions import sincos_positions
from amd_mm.tokens import TokenGrid, gather_tokens

GRID = TokenGrid((2, 2, 2), (2, 8, 8))
STUDENT, TEACHER = 6, 8


def neck(grid: TokenGrid = GRID, pairs: int = 2, **settings) -> AlignmentNeck:
    torch.manual_seed(0)
    made = AlignmentNeck(STUDENT, TEACHER, pairs, grid, **{
        'direct': RAW_L2, 'generation': RAW_L2, 'generator_depth': 1, **settings})
    made.init_weights()
    return made


def example(prefix: int = 0, grid: TokenGrid = GRID, pairs: int = 2):
    mask = AsymmetricMaskGenerator(grid, 'random', student_visible=3, teacher_visible=5)(
        torch.tensor([1, 2]))
    generator = torch.Generator().manual_seed(1)
    features = [torch.randn(2, prefix + 3, STUDENT, generator=generator) for _ in range(pairs)]
    teacher = [torch.randn(2, prefix + 5, TEACHER, generator=generator) for _ in range(pairs)]
    return features, teacher, mask


def test_direct_alignment_compares_what_both_see_pair_by_pair():
    made = neck(generation=None)
    features, teacher, mask = example()
    by_hand = sum(F.mse_loss(f @ p.weight.T, t[:, :3]) for f, t, p in zip(
        features, teacher, made.projections, strict=True)) / 2
    losses = made.loss(features, teacher, mask)
    assert list(losses) == ['loss_dir']
    assert losses['loss_dir'].item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_generation_is_compared_at_the_extra_tokens():
    made = neck(direct=None, generation=LAYER_NORM_L2, pairs=1)
    features, teacher, mask = example(pairs=1)
    generator, = made.generators
    projected = features[0] @ made.projections[0].weight.T
    positions = sincos_positions(GRID, TEACHER)
    sequence = torch.cat([projected + gather_tokens(positions, mask.visible),
                          generator.mask_token + gather_tokens(positions, mask.extra)], 1)
    generated = generator.blocks[0](sequence)[:, 3:]
    target = F.layer_norm(teacher[0][:, 3:], (TEACHER, ), eps=1e-6)
    losses = made.loss(features, teacher, mask)
    assert list(losses) == ['loss_gen']
    assert losses['loss_gen'].item() == pytest.approx(
        F.mse_loss(generated, target).item(), rel=1e-5)


@pytest.mark.parametrize('align', [True, False])
def test_the_class_token_is_aligned_only_where_asked_for(align):
    grid = TokenGrid((3, 3), (8, 8))
    made = neck(grid, pairs=1, generation=None, projection_bias=True, align_cls_token=align)
    features, teacher, mask = example(1, grid, 1)
    projection, = made.projections
    first = 0 if align else 1
    by_hand = F.mse_loss(projection(features[0][:, first:]), teacher[0][:, first:4])
    assert made.loss(features, teacher, mask)['loss_dir'].item() == pytest.approx(
        by_hand.item(), rel=1e-6)


def test_both_alignments_share_a_projection():
    made = neck(pairs=1)
    features, teacher, mask = example(pairs=1)
    gradients = []
    for name in ('loss_dir', 'loss_gen'):
        loss = made.loss(features, teacher, mask)[name]
        gradients.append(torch.autograd.grad(loss, made.projections[0].weight)[0])
    assert all(gradient.any() for gradient in gradients)


def test_losses_have_no_default():
    with pytest.raises(TypeError, match="'direct' and 'generation'"):
        AlignmentNeck(STUDENT, TEACHER, 1, GRID)


def test_something_must_be_aligned():
    with pytest.raises(ValueError, match='must align something, got direct=None'):
        neck(direct=None, generation=None)


def test_frozen_mask_tokens_stay():
    made = neck(train_mask_tokens=False)
    assert not any(generator.mask_token.requires_grad for generator in made.generators)
