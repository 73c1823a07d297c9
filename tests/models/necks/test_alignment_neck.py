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


def test_each_alignment_has_pairs_of_its_own():
    made = neck(pairs=3, direct_pairs=[3, 1], generation_pairs=[2])
    assert len(made.projections) == 3 and len(made.generators) == 1
    features, teacher, mask = example(pairs=3)
    losses = made.loss(features, teacher, mask)
    direct = sum(F.mse_loss(features[i] @ made.projections[i].weight.T, teacher[i][:, :3])
                 for i in (0, 2)) / 2
    assert losses['loss_dir'].item() == pytest.approx(direct.item(), rel=1e-6)
    generated = made.generators[0](features[1] @ made.projections[1].weight.T, mask)
    assert losses['loss_gen'].item() == pytest.approx(
        F.mse_loss(generated, teacher[1][:, 3:]).item(), rel=1e-6)


def test_a_parallel_generator_starts_from_a_projection_of_its_own():
    made = neck(alignment='parallel', direct_pairs=[1])
    assert len(made.projections) == 1 and len(made.generator_projections) == 2
    features, teacher, mask = example()
    losses = made.loss(features, teacher, mask)
    direct = F.mse_loss(features[0] @ made.projections[0].weight.T, teacher[0][:, :3])
    assert losses['loss_dir'].item() == pytest.approx(direct.item(), rel=1e-6)
    generation = sum(F.mse_loss(generator(f @ own.weight.T, mask), t[:, 3:])
                     for generator, own, f, t in zip(
                         made.generators, made.generator_projections, features, teacher,
                         strict=True)) / 2
    assert losses['loss_gen'].item() == pytest.approx(generation.item(), rel=1e-6)
    gradients = torch.autograd.grad(losses['loss_gen'], list(made.projections.parameters()),
                                    allow_unused=True)
    assert gradients == (None, )


@pytest.mark.parametrize('bias', [True, False])
def test_a_projection_of_two_layers_by_hand(bias):
    made = neck(pairs=1, generation=None, projection='mlp', projection_bias=bias)
    projection, = made.projections
    first, second = projection[0], projection[2]
    assert (first.bias is not None) == (second.bias is not None) == bias
    assert first.weight.shape == (TEACHER, STUDENT) and second.weight.shape == (TEACHER, TEACHER)
    if bias:
        with torch.no_grad():
            first.bias.uniform_(-1, 1), second.bias.uniform_(-1, 1)
    features, teacher, mask = example(pairs=1)
    hidden = features[0] @ first.weight.T + (first.bias if bias else 0)
    hidden = hidden * (1 + torch.erf(hidden / 2**.5)) / 2
    expected = hidden @ second.weight.T + (second.bias if bias else 0)
    assert made.loss(features, teacher, mask)['loss_dir'].item() == pytest.approx(
        F.mse_loss(expected, teacher[0][:, :3]).item(), rel=1e-5)


@pytest.mark.parametrize('settings', [
    dict(pairs=3, direct_pairs=[1, 2], generation_pairs=[3]),
    dict(alignment='parallel', direct_pairs=[2], generation_pairs=[1]),
    dict(alignment='parallel', projection='mlp'), dict(direct=None, projection='mlp')])
def test_no_parameter_is_dead(settings):
    made = neck(**settings)
    features, teacher, mask = example(pairs=settings.get('pairs', 2))
    sum(made.loss(features, teacher, mask).values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in made.parameters())


@pytest.mark.parametrize('settings, words', [
    (dict(direct_pairs=[1, 3]), r'direct_pairs must be different pairs .* up to 2, got \[1, 3\]'),
    (dict(generation_pairs=[1, 1]), r'generation_pairs must be different .* got \[1, 1\]'),
    (dict(direct_pairs=[1], generation_pairs=[1]), r'2 pairs of which \[2\] are in neither'),
    (dict(generation=None, generation_pairs=[1]), 'belongs to a loss, got .* generation=None'),
    (dict(direct=None, alignment='parallel'), "'parallel' of AlignmentNeck needs both"),
])
def test_pairs_that_mean_nothing_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        neck(**settings)


def test_only_losses_that_can_normalise_are_told_to():
    assert neck().takes_raw_features
    assert not neck(direct=LAYER_NORM_L2, generation=None).takes_raw_features
    hosts = dict(type='mmpretrain.CosineSimilarityLoss')
    assert not neck(direct=hosts, generation=None).takes_raw_features
    assert neck(direct=hosts).takes_raw_features
