"""TinyMIM's relations in plain torch, and a whole step of it."""
import pytest
import tiny_vits
import torch
from teachers import entry, with_teachers
from torch import Tensor

from amd_mm.models.backbones import ImageVisionTransformer
from amd_mm.models.blocks import Projections
from amd_mm.models.necks import RelationNeck
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, TokenMask

GRID = TokenGrid((2, 2), (8, 8))
HALF = dict(type='amd_mm.AsymmetricMaskGenerator', strategy='random', student_ratio=.75,
            teacher_ratio=.5)
LOSS = dict(type='amd_mm.RelationLoss', loss_weight=1.)
# Of the student 2 heads of 6, of the teacher 4 of 2.
STUDENT, TEACHER = (2, 6), (4, 2)


def neck(**settings) -> RelationNeck:
    return RelationNeck(12, 8, 1, GRID, **{
        'loss': LOSS, 'relations': ['qk', 'vv'], 'align_cls_token': True, **settings})


def projections(shape: tuple[int, int], tokens: int, seed: int) -> Projections:
    generator = torch.Generator().manual_seed(seed)
    return Projections(*(2 * torch.randn(2, tokens, *shape, generator=generator)
                         for _ in range(3)))


def mask(visible: int = 4, extra: int = 0) -> TokenMask:
    ids = torch.arange(4).expand(2, -1)
    masked = ids[:, visible:]
    return TokenMask(ids[:, :visible], masked[:, :extra], masked, masked)


def relation(left: Tensor, right: Tensor, heads: int) -> Tensor:
    """TinyMIM, section 3: softmax of products of a head over the root of its channels."""
    rows = []
    for a, b in zip(left.flatten(2).chunk(heads, -1), right.flatten(2).chunk(heads, -1),
                    strict=True):
        rows.append((torch.einsum('bic,bjc->bij', a, b) / a.shape[-1]**.5).softmax(-1))
    return torch.stack(rows, 1)


def divergence(teacher: Tensor, student: Tensor) -> float:
    return (teacher * (teacher.log() - student.log())).sum(-1).mean().item()


@pytest.mark.parametrize('num_heads', [None, 2])
def test_relations_by_hand(num_heads):
    student, teacher = projections(STUDENT, 5, 1), projections(TEACHER, 5, 2)
    losses = neck(num_heads=num_heads, relations=['qk', 'qq', 'kk', 'vv']).loss(
        [student], [teacher], mask())
    heads = num_heads or 4
    for name, (one, other) in dict(qk=(0, 1), qq=(0, 0), kk=(1, 1), vv=(2, 2)).items():
        assert losses[f'loss_{name}'].item() == pytest.approx(divergence(*(
            relation(x[one], x[other], heads) for x in (teacher, student))), rel=1e-5)


@pytest.mark.parametrize('with_class', [True, False])
def test_only_tokens_of_both_count(with_class):
    """The teacher has a token that the student lacks; the class token counts where it should."""
    student, teacher = projections(STUDENT, 3, 1), projections(TEACHER, 4, 2)
    losses = neck(align_cls_token=with_class).loss([student], [teacher], mask(2, 1))
    first = 0 if with_class else 1
    expected = divergence(*(relation(x.values[:, first:3], x.values[:, first:3], 4)
                            for x in (teacher, student)))
    assert losses['loss_vv'].item() == pytest.approx(expected, rel=1e-5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match='compares one block, got 2 taps'):
        RelationNeck(12, 8, 2, GRID, LOSS, ['qk'], True)
    with pytest.raises(ValueError, match=r"must be different, got \['qk', 'qk'\]"):
        neck(relations=['qk', 'qk'])
    with pytest.raises(ValueError, match='5 heads and a width of 12: set model.neck.num_heads'):
        neck(num_heads=5).loss(
            [projections(STUDENT, 5, 1)], [projections(TEACHER, 5, 2)], mask())


def tinymim(modality: str, **changes):
    """A student of 2 blocks with 3 heads of 8, a teacher of 3 of which the second is read."""
    config = tiny_vits.pretraining_config(modality)
    vit = dict(config['backbone'])
    if modality == 'image':
        vit['arch'] = dict(vit['arch'], num_layers=3, num_heads=4, embed_dims=32)
    else:
        vit.update(depth=3, num_heads=4, embed_dims=32)
    config |= dict(
        type='amd_mm.AMD', taps=(2, ), decoder=None, head=None,
        mask_generator=dict(
            type='amd_mm.AsymmetricMaskGenerator', strategy='random', student_ratio=0.),
        teacher=dict(type='amd_mm.FrozenTeacher', taps=(2, ), checkpoint=None, backbone=vit),
        neck=dict(type='amd_mm.RelationNeck', loss=LOSS, relations=['qk', 'vv'],
                  align_cls_token=modality == 'image'))
    model = MODELS.build({**config, **changes})
    for seed, part in enumerate((model, model.teacher)):
        tiny_vits.randomise(part, seed)
    return model


def of_block(encoder, number: int, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (B, N, D), by hooks on the host's own layers."""
    attn, found = encoder.blocks[number - 1].attn, []
    handle = attn.register_forward_pre_hook(lambda module, args: found.append(args[0]))
    encoder.encode(images, ids)
    handle.remove()
    x = found[0] @ attn.qkv.weight.T
    if isinstance(encoder, ImageVisionTransformer):
        x = x + attn.qkv.bias
    else:
        x = x + torch.cat([attn.q_bias, 0 * attn.q_bias, attn.v_bias])
    return x.chunk(3, -1)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
@pytest.mark.parametrize('modality', ['image', 'video'])
def test_a_step_by_hand(modality):
    model = tinymim(modality)
    images, keys = tiny_vits.pixels(modality), torch.tensor([3, 4])
    mask = model.mask_generator(keys)
    assert mask.visible.shape[1] == model.backbone.grid.num_tokens
    losses = model.masked_loss(images, mask)
    assert set(losses) == {'loss_qk', 'loss_vv'}
    with torch.no_grad():
        teacher = of_block(model.teacher.backbone, 2, images, mask.visible)
        student = of_block(model.backbone, 2, images, mask.visible)
    for name, (one, other) in dict(qk=(0, 1), vv=(2, 2)).items():
        assert losses[f'loss_{name}'].item() == pytest.approx(divergence(*(
            relation(x[one], x[other], 4) for x in (teacher, student))), rel=2e-5)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
@pytest.mark.parametrize('modality', ['image', 'video'])
def test_what_trains_and_what_is_left(modality):
    model = tinymim(modality)
    assert model.backbone.final_norm_layer is None
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=.1)
    model.train()
    sum(model.loss(tiny_vits.pixels(modality)).values()).backward()
    optimizer.step()
    left = {name for name, value in model.named_parameters() if torch.equal(value, before[name])}
    behind = dict(image=('attn.proj.', 'ln2.', 'ffn.'), video=('attn.proj.', 'norm2.', 'mlp.'))
    last = 'backbone.layers.1.' if modality == 'image' else 'backbone.blocks.1.'
    assert left - {'backbone.pos_embed'} == {
        name for name in before if name.startswith(tuple(last + part for part in behind[modality]))}
    assert all(not dict(model.named_parameters())[name].requires_grad for name in left)
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.any() for p in trained)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
@pytest.mark.parametrize('changes, words', [
    (dict(taps=(1, )), 'deepest student tap must be the last block 2, got 1'),
    (dict(teacher=dict(type='amd_mm.TimmTeacher', architecture='eva02_tiny_patch14_224',
                       taps=(2, ), checkpoint=None)), 'cannot be read of this TimmTeacher'),
])
def test_networks_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        tinymim('image', **changes)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_relations_beside_features_and_pixels():
    """Of two teachers each gives the losses that it gives alone, and all blocks learn."""
    alone = tinymim('image', mask_generator=HALF)
    config = tiny_vits.pretraining_config('image', amd=True)
    teachers = dict(features=entry(config, 'features'), relations=dict(
        name='relations', taps=[2], neck=dict(
            type='amd_mm.RelationNeck', loss=LOSS, relations=['qk', 'vv'], align_cls_token=True),
        teacher=dict(type='amd_mm.FrozenTeacher', taps=(2, ), checkpoint=None, backbone=dict(
            config['backbone'], arch=dict(config['backbone']['arch'], num_layers=3, num_heads=4,
                                          embed_dims=32)))))
    model = tiny_vits.randomise(MODELS.build(with_teachers(config, *teachers.values())), 3)
    alone.backbone.load_state_dict(model.backbone.state_dict(), strict=False)
    model.lessons[1].teacher.load_state_dict(alone.teacher.state_dict())
    images = tiny_vits.pixels('image')
    mask = model.draw_mask(images, torch.tensor([3, 4]))
    losses = model.train().masked_loss(images, mask)
    assert set(losses) == {'loss_dir_features', 'loss_gen_features', 'loss_qk_relations',
                           'loss_vv_relations', 'loss_rec'}
    for name, value in alone.masked_loss(images, mask).items():
        assert losses[f'{name}_relations'].item() == pytest.approx(value.item(), rel=1e-5)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters() if p.requires_grad)
    assert not any(not p.requires_grad for n, p in model.named_parameters() if 'pos_embed' not in n)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_losses_and_gradients_are_the_released_codes():
    """What OliverRensu/TinyMIM@d0847051aa00 gave for these weights, without stochastic depth.

    A student of 12 blocks, of which the last has 4 heads there, and block 5 of a teacher of 6.
    """
    vit = tiny_vits.pretraining_config('image')['backbone']
    model = tinymim(
        'image', taps=(12, ), backbone=dict(vit, arch=dict(vit['arch'], num_layers=12)),
        teacher=dict(type='amd_mm.FrozenTeacher', taps=(5, ), checkpoint=None, backbone=dict(
            vit, arch=dict(embed_dims=32, num_layers=6, num_heads=4, feedforward_channels=128))))
    images = tiny_vits.pixels('image')
    losses = model.masked_loss(images, model.draw_mask(images, torch.tensor([3, 4])))
    assert losses['loss_qk'].item() == pytest.approx(1.5499032735824585, rel=1e-5)
    assert losses['loss_vv'].item() == pytest.approx(1.8465919494628906, rel=1e-5)
    sum(losses.values()).backward()
    layers = model.backbone.layers
    norms = [layers[0].attn.qkv.weight, model.backbone.cls_token, layers[11].attn.qkv.bias]
    assert [p.grad.norm().item() for p in norms] == pytest.approx(
        [1.964261770248413, 0.26289844512939453, 0.3060147762298584], rel=1e-4)
    assert layers[11].ffn.layers[1].weight.grad is None


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:The teacher has random weights')
@pytest.mark.parametrize('modality', ['image', 'video'])
def test_compiles_into_one_graph(modality):
    torch.compiler.reset()
    model = tinymim(modality)
    images = tiny_vits.pixels(modality)
    mask = model.draw_mask(images, torch.tensor([3, 4]))
    expected = model.masked_loss(images, mask)
    model.compile_networks(backend='eager', fullgraph=True)
    found = model.masked_loss(images, mask)
    assert {k: v.item() for k, v in found.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, rel=1e-6)
