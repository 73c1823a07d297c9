"""Held to timm's own networks, of random weights and small sizes."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm imports

import json

import pytest
import timm
import torch
from losses import AMD_NECK
from runs import command
from safetensors.torch import save_file
from tiny_vits import assert_same, pretraining_config, randomise

from amd_mm.models.backbones import ImageVisionTransformer
from amd_mm.models.blocks import run_blocks
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, gather_patches, gather_tokens

pytestmark = pytest.mark.filterwarnings('ignore:The teacher has random weights')

# Widths and depths of timm's entries, made small; real kinds of blocks.
SMALL = dict(embed_dim=24, depth=3, num_heads=2, num_classes=0)
KINDS = {
    'dinov2': ('vit_small_patch14_dinov2', dict(SMALL, patch_size=4)),
    'dinov2 with registers': ('vit_small_patch14_reg4_dinov2', dict(SMALL, patch_size=4)),
    'dinov2 giant': ('vit_giant_patch14_dinov2', dict(SMALL, patch_size=4)),
    'dinov3': ('vit_small_patch16_dinov3', dict(SMALL, patch_size=4)),
    'dinov3 plus': ('vit_small_plus_patch16_dinov3', dict(SMALL, patch_size=4)),
    'eva02': ('eva02_tiny_patch14_224', dict(SMALL, patch_size=4)),
    'siglip': ('vit_base_patch16_siglip_224', dict(SMALL, patch_size=4)),
    'clip': ('vit_base_patch16_clip_224', dict(SMALL, patch_size=4)),
    'openai clip': ('vit_base_patch16_clip_quickgelu_224', dict(SMALL, patch_size=4)),
    'perception encoder': ('vit_pe_core_base_patch16_224', dict(SMALL, patch_size=4)),
    'learnt rotations': ('vit_small_patch16_rope_mixed_224', dict(SMALL, patch_size=4)),
    'parallel blocks': ('vit_small_patch16_18x2_224', dict(SMALL, patch_size=4)),
    'radio': ('vit_base_patch16_radio_v3', dict(SMALL, patch_size=4)),
    'mae': ('vit_base_patch16_224', dict(SMALL, patch_size=4)),
    'beit': ('beit_base_patch16_224', dict(SMALL, patch_size=4)),
}
ROWS, COLUMNS = 4, 3


@pytest.fixture
def small_timm(monkeypatch):
    """timm's networks with the sizes above; everything else is the entry's own."""
    create = timm.create_model

    def smaller(name, **settings):
        small = next(small for entry, small in KINDS.values() if entry == name)
        settings.setdefault('img_size', (16, 16))
        return create(name, **{**settings, **small})

    monkeypatch.setattr(timm, 'create_model', smaller)
    return smaller


def file_of(kind, small_timm, folder, size=(ROWS * 4, COLUMNS * 4)):
    """A whole random network and its file."""
    network = randomise(small_timm(KINDS[kind][0], img_size=size), seed=3)
    save_file(network.state_dict(), folder / 'teacher.safetensors')
    return network, folder / 'teacher.safetensors'


def teacher(kind, path, **settings):
    return MODELS.build(dict(dict(
        type='amd_mm.TimmTeacher', architecture=KINDS[kind][0], taps=(1, 2),
        checkpoint=None if path is None else str(path),
        student_grid=TokenGrid((ROWS, COLUMNS), (8, 8))), **settings))


def library(network, pictures, normalize=False, blocks=2):
    """What timm itself gives: prefix and patches after the first blocks."""
    found = network.forward_intermediates(
        pictures, indices=list(range(blocks)), norm=normalize, output_fmt='NLC',
        intermediates_only=True, return_prefix_tokens=True)
    if network.num_prefix_tokens == 0:
        return [(patches[:, :0], patches) for patches in found]
    return [(prefix, patches) for patches, prefix in found]


# They have no norm, or one behind pooling.
NO_NORM = ('eva02', 'beit', 'radio')


@pytest.mark.parametrize(('kind', 'normalize', 'blocks'), [
    *((kind, False, 3) for kind in KINDS),
    *((kind, True, 2) for kind in KINDS if kind not in NO_NORM)])
@torch.no_grad()
def test_features_of_all_tokens_are_timms(kind, normalize, blocks, small_timm, tmp_path):
    network, path = file_of(kind, small_timm, tmp_path)
    model = teacher(kind, path, normalize=normalize, taps=range(1, blocks + 1))
    assert len(model.network.blocks) == blocks and model.embed_dims == 24
    pictures = torch.randn(2, 3, ROWS * 8, COLUMNS * 8)
    ids = torch.stack([torch.randperm(ROWS * COLUMNS) for _ in range(2)])
    found = model(pictures, ids)
    resized = torch.nn.functional.interpolate(
        pictures, (ROWS * 4, COLUMNS * 4), mode='bicubic', antialias=True)
    has_class = network.cls_token is not None
    assert model.num_prefix_tokens == has_class
    for have, (prefix, patches) in zip(
            found, library(network, resized, normalize, blocks), strict=True):
        want = torch.cat([prefix[:, :int(has_class)], patches.gather(
            1, ids[..., None].expand(-1, -1, 24))], 1)
        assert_same([have], [want])


@pytest.mark.parametrize('kind', list(KINDS)[:2])
@torch.no_grad()
def test_gives_features_in_the_order_asked_for(kind, small_timm, tmp_path):
    _, path = file_of(kind, small_timm, tmp_path)
    pictures = torch.randn(1, 3, ROWS * 8, COLUMNS * 8)
    ids = torch.arange(ROWS * COLUMNS)[None]
    first, second = teacher(kind, path)(pictures, ids)
    found = teacher(kind, path, taps=(2, 1, 2))(pictures, ids)
    assert all(map(torch.equal, found, (second, first, second)))


@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_relations_are_timms(kind, small_timm, tmp_path, monkeypatch):
    """Against what timm itself hands to torch's attention."""
    network, path = file_of(kind, small_timm, tmp_path)
    model = teacher(kind, path, taps=(2, ))
    plain = type(getattr(network.blocks[0], 'attn', None)) is timm.layers.Attention
    assert model.gives_relations == plain and not teacher(kind, path, taps=(1, )).gives_relations
    if not plain:
        return
    pictures, ids = torch.randn(1, 3, ROWS * 4, COLUMNS * 4), torch.arange(ROWS * COLUMNS)[None]
    seen, fused = [], torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, 'scaled_dot_product_attention',
        lambda *args, **settings: (seen.append(args), fused(*args, **settings))[1])
    network.forward_features(pictures)
    prefix = network.num_prefix_tokens
    kept = [*range(model.num_prefix_tokens), *range(prefix, prefix + ROWS * COLUMNS)]
    found, = model(pictures, ids, 'relations')
    assert_same(list(found), [part.transpose(1, 2)[:, kept] for part in seen[1]])


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind != 'beit'])
@torch.no_grad()
def test_features_of_some_tokens_are_timms_without_the_others(kind, small_timm, tmp_path):
    """Tokens are cut out of timm's own sequence, before its first block."""
    network, path = file_of(kind, small_timm, tmp_path)
    pictures = torch.randn(1, 3, ROWS * 4, COLUMNS * 4)
    kept = torch.tensor([[7, 2, 3, 11, 0]])
    prefix = network.num_prefix_tokens
    places = torch.cat([torch.arange(prefix), prefix + kept[0]])
    rotary = getattr(network, 'rope', None) is not None

    def cut(_, inputs, settings):
        if rotary:
            settings['rope'] = settings['rope'][..., kept[0], :]
        return (inputs[0][:, places], ), settings

    def cut_rope(_, inputs, settings):
        settings['rope'] = settings['rope'][..., kept[0], :]
        return inputs, settings

    network.blocks[0].register_forward_pre_hook(cut, with_kwargs=True)
    for block in network.blocks[1:]:
        if rotary:
            block.register_forward_pre_hook(cut_rope, with_kwargs=True)
    expected = library(network, pictures, blocks=3)
    found = teacher(kind, path, taps=(1, 2, 3))(pictures, kept)
    for have, (prefix, patches) in zip(found, expected, strict=True):
        want = torch.cat([prefix[:, :int(network.cls_token is not None)], patches], 1)
        assert_same([have], [want])


@pytest.mark.parametrize('kind', ['dinov2 with registers', 'dinov3'])
@torch.no_grad()
def test_register_tokens_stay_behind_the_class_token_to_be_aligned(kind, small_timm, tmp_path):
    network, path = file_of(kind, small_timm, tmp_path)
    model = teacher(kind, path, registers='align')
    assert (model.num_prefix_tokens, model.num_register_tokens) == (5, 4)
    pictures = torch.randn(2, 3, ROWS * 4, COLUMNS * 4)
    every = torch.arange(ROWS * COLUMNS).expand(2, -1)
    assert_same(model(pictures, every),
                [torch.cat(parts, 1) for parts in library(network, pictures)])


class RegisterStudent(ImageVisionTransformer):
    """One's own encoder with register tokens, which none of ours has."""
    num_prefix_tokens = 5

    def __init__(self, **settings):
        super().__init__(**settings)
        self.registers = torch.nn.Parameter(torch.zeros(1, 4, self.embed_dims))

    def encode(self, x, token_ids, taps=()):
        embedding = self.patch_embed.projection
        patches = gather_patches(x, token_ids, self.grid).flatten(2)
        tokens = torch.nn.functional.linear(
            patches, embedding.weight.flatten(1), embedding.bias)
        tokens = tokens + gather_tokens(self.pos_embed[:, 1:], token_ids)
        prefix = torch.cat([self.cls_token, self.registers], 1).expand(len(x), -1, -1)
        latent, features = run_blocks(self.layers, torch.cat([prefix, tokens], 1), taps, False)
        return self.ln1(latent), features


def test_register_tokens_are_aligned_with_a_student_that_has_them(small_timm):
    config = pretraining_config('image', amd=True)
    config['teacher'] = dict(
        type='amd_mm.TimmTeacher', architecture=KINDS['dinov3'][0], taps=(1, 2), checkpoint=None,
        registers='align')
    for align, own in ((True, False), (False, True)):
        config['neck'] = dict(AMD_NECK, align_cls_token=align)
        student = dict(config['backbone'], type=RegisterStudent) if own else config['backbone']
        with pytest.raises(ValueError, match=(
                f'got {5 if own else 1} of the student, 5 of the teacher and '
                f"align_cls_token={align}: set model.teacher.registers='drop'")):
            MODELS.build(dict(config, backbone=student))
    config['neck'] = dict(AMD_NECK, align_cls_token=True)
    model = MODELS.build(dict(config, backbone=student))
    model.init_weights()
    model.loss(torch.randn(2, 3, 32, 32))['loss_dir'].backward()
    assert (model.backbone.registers.grad != 0).any()


def test_what_sees_all_tokens_only(small_timm):
    assert not teacher('beit', None).sees_subsets
    assert not teacher('dinov2', None, match='interpolate').sees_subsets
    assert teacher('dinov2', None).sees_subsets and teacher('dinov3', None).sees_subsets
    clips = TokenGrid((2, ROWS, COLUMNS), (2, 8, 8))
    assert not teacher('dinov2', None, student_grid=clips, frames='first').sees_subsets


@pytest.mark.parametrize('frames', ['first', 'mean'])
@torch.no_grad()
def test_clips_are_seen_frame_by_frame(frames, small_timm, tmp_path):
    network, path = file_of('dinov2', small_timm, tmp_path)
    model = teacher('dinov2', path, frames=frames,
                    student_grid=TokenGrid((2, ROWS, COLUMNS), (2, 4, 4)))
    clip = torch.randn(1, 3, 4, ROWS * 4, COLUMNS * 4)
    ids = torch.randperm(2 * ROWS * COLUMNS)[None]
    shown = [clip[:, :, 0], clip[:, :, 2]] if frames == 'first' else [
        clip[:, :, :2].mean(2), clip[:, :, 2:].mean(2)]
    for tap, have in enumerate(model(clip, ids)):
        want = torch.cat([library(network, picture)[tap][1] for picture in shown], 1)
        assert_same([have], [want[:, ids[0]]])


@torch.no_grad()
def test_features_are_interpolated_to_the_students_grid(small_timm, tmp_path):
    network, path = file_of('clip', small_timm, tmp_path, size=(16, 16))
    grid = TokenGrid((2, 2), (8, 8))
    model = teacher('clip', path, match='interpolate', student_grid=grid)
    pictures = torch.randn(1, 3, 16, 16)
    have = model(pictures, torch.arange(4)[None])[0][:, 1:]
    whole = library(network, pictures)[0][1].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    want = torch.nn.functional.interpolate(whole, (2, 2), mode='bilinear', antialias=True)
    torch.testing.assert_close(have, want.flatten(2).transpose(1, 2))


@torch.no_grad()
def test_pixels_are_normalised_by_its_own_statistics(small_timm, tmp_path):
    network, path = file_of('siglip', small_timm, tmp_path)
    model = teacher('siglip', path, input_mean=[120., 110., 100.], input_std=[60., 50., 40.])
    unit = torch.rand(1, 3, ROWS * 4, COLUMNS * 4)
    mean, std = (torch.tensor(values).view(3, 1, 1) / 255
                 for values in ([120., 110., 100.], [60., 50., 40.]))
    have = model((unit - mean) / std, torch.arange(ROWS * COLUMNS)[None])[1]
    torch.testing.assert_close(have, library(network, (unit - .5) / .5)[1][1], rtol=1e-4, atol=1e-4)


def test_amd_learns_from_it(small_timm, tmp_path):
    _, path = file_of('dinov3', small_timm, tmp_path, size=(16, 16))
    config = pretraining_config('image', amd=True)
    config['teacher'] = dict(type='amd_mm.TimmTeacher', architecture=KINDS['dinov3'][0],
                             taps=(1, 2), checkpoint=str(path))
    model = MODELS.build(config)
    model.init_weights()
    losses = model.loss(torch.randn(2, 3, 32, 32))
    sum(losses.values()).backward()
    assert set(losses) == {'loss_rec', 'loss_dir', 'loss_gen'}
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
    assert not any('teacher' in name for name in model.state_dict())
    config['teacher']['architecture'] = KINDS['beit'][0]
    config['teacher']['checkpoint'] = None
    with pytest.raises(ValueError, match='must see all 16 tokens.*teacher_ratio=0'):
        MODELS.build(config)
    config['mask_generator']['teacher_ratio'] = 0
    config['neck'] = dict(AMD_NECK, align_cls_token=True)
    config['teacher'].update(architecture=KINDS['siglip'][0])
    with pytest.raises(ValueError, match='got 1 of the student and 0 of the teacher'):
        MODELS.build(config)


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(architecture='vit_small_dinov9'), "that timm .* knows, got 'vit_small_dinov9'"),
    (dict(architecture='resnet18'), 'must be a vision transformer.*a ResNet'),
    (dict(architecture='vit_base_patch16_clip_224.openai'),
     r"QuickGELU, got .*set 'vit_base_patch16_clip_quickgelu_224\.openai'"),
    (dict(architecture='swin_tiny_patch4_window7_224'), 'a SwinTransformer'),
    (dict(architecture='vit_small_r26_s32_224'), 'whose patches are cut from features'),
    (dict(registers='align'), 'needs a teacher with register tokens.*vit_tiny_patch16_224 with 0'),
    (dict(registers='align', architecture='vit_small_patch16_dinov3', frames='first',
          student_grid=TokenGrid((2, 2, 2), (2, 16, 16))), 'with 4 and a student of clips'),
    (dict(registers='keep'), "must be one of 'drop', 'align', got 'keep'"),
    (dict(taps=(1, 13)), 'Taps of the teacher .* up to its depth 12'),
    (dict(match='crop'), "match of TimmTeacher must be one of None, 'interpolate', got 'crop'"),
    (dict(frames='mean'), "must be None for a student of pictures, got 'mean'"),
    (dict(student_grid=TokenGrid((8, 14, 14), (2, 16, 16))), 'must be first or mean.*got None'),
    (dict(checkpoint=''), 'has no checkpoint: set model.teacher.checkpoint=FILE'),
    (dict(checkpoint='nothing.pth'), 'there is nothing at this path'),
])
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(dict(
            type='amd_mm.TimmTeacher', architecture='vit_tiny_patch16_224', taps=(1, ),
            checkpoint=None, student_grid=TokenGrid((2, 2), (16, 16))), **changes))


def test_weights_of_another_network_are_refused(small_timm, tmp_path):
    _, path = file_of('dinov2', small_timm, tmp_path)
    with pytest.raises(ValueError, match='must hold the weights of vit_base_patch16_siglip_224'):
        teacher('siglip', path)
    network, _ = file_of('dinov3', small_timm, tmp_path)
    path = tmp_path / 'theirs.pth'
    torch.save(as_its_authors_write('dinov3', network), path)
    with pytest.raises(ValueError, match='must hold the weights of vit_base_patch16_siglip_224'):
        teacher('siglip', path)
    _, path = file_of('dinov2 with registers', small_timm, tmp_path)
    with pytest.raises(ValueError, match='must hold the weights of vit_small_patch14_dinov2'):
        teacher('dinov2', path)


@pytest.mark.parametrize('kind', NO_NORM)
def test_no_norm_is_none_of_the_features(kind, small_timm):
    with pytest.raises(ValueError, match='needs a norm of tokens .* has none: .*normalize=False'):
        teacher(kind, None, normalize=True)


def as_its_authors_write(kind, network):
    """Weights of timm's network in the layout of facebookresearch/dinov2 and dinov3."""
    state = {name: value.clone() for name, value in network.state_dict().items()}
    width = network.embed_dim
    if kind == 'dinov2 giant':
        state = {name.replace('mlp.fc1', 'mlp.w12').replace('mlp.fc2', 'mlp.w3'): value
                 for name, value in state.items()}
    if kind == 'dinov2 with registers':
        position = torch.randn(1, 1, width)
        state['register_tokens'] = state.pop('reg_token')
        state['cls_token'] -= position
        state['pos_embed'] = torch.cat([position, state['pos_embed']], 1)
    if kind.startswith('dinov3'):
        state = {name.replace('gamma_', 'ls').replace('reg_token', 'storage_tokens'): value
                 for name, value in state.items()}
        state = {f'{name}.gamma' if name.endswith(('ls1', 'ls2')) else name.replace(
            'mlp.fc1_g', 'mlp.w1').replace('mlp.fc1_x', 'mlp.w2').replace('mlp.fc2', 'mlp.w3')
            if kind == 'dinov3 plus' else name: value for name, value in state.items()}
        state['rope_embed.periods'] = torch.ones(4)
        for index in range(3):
            state[f'blocks.{index}.attn.qkv.bias'] = torch.zeros(3 * width)
            state[f'blocks.{index}.attn.qkv.bias_mask'] = torch.ones(3 * width)
    return state | {'mask_token': torch.zeros(1, width)}


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind.startswith('dino')])
@torch.no_grad()
def test_files_of_its_authors_are_read(kind, small_timm, tmp_path, capsys):
    network, path = file_of(kind, small_timm, tmp_path)
    state = as_its_authors_write(kind, network)
    torch.save(state, tmp_path / 'theirs.pth')
    pictures = torch.randn(2, 3, ROWS * 4, COLUMNS * 4)
    every = torch.arange(ROWS * COLUMNS).expand(2, -1)
    have = teacher(kind, tmp_path / 'theirs.pth')(pictures, every)
    assert not capsys.readouterr().out
    assert_same(have, [torch.cat([prefix[:, :1], patches], 1)
                       for prefix, patches in library(network, pictures)])
    del state['blocks.1.norm2.weight']
    torch.save(state, tmp_path / 'theirs.pth')
    with pytest.raises(ValueError, match='not in the checkpoint: blocks.1.norm2.weight'):
        teacher(kind, tmp_path / 'theirs.pth')


def test_positions_are_resized_as_timm_does_or_not_at_all(small_timm, tmp_path):
    pictures, every = torch.randn(1, 3, ROWS * 4, COLUMNS * 4), torch.arange(12)[None]
    for kind in ('dinov2', 'clip'):
        network, path = file_of(kind, small_timm, tmp_path, size=(24, 24))
        network.set_input_size((ROWS * 4, COLUMNS * 4))
        with torch.no_grad():
            assert_same([teacher(kind, path)(pictures, every)[1]],
                        [torch.cat(library(network, pictures)[1], 1)])
    _, path = file_of('radio', small_timm, tmp_path, size=(24, 24))
    with pytest.raises(ValueError, match='positions of vit_base_patch16_radio_v3 must be those of '
                       'timm, for pictures of 16 x 12 pixels.*match=.interpolate'):
        teacher('radio', path)


def test_biases_that_timm_would_drop_are_refused(small_timm, tmp_path):
    state = as_its_authors_write('dinov3', file_of('dinov3', small_timm, tmp_path)[0])
    state['blocks.2.attn.qkv.bias'][-1] = 1e-3
    torch.save(state, tmp_path / 'theirs.pth')
    with pytest.raises(ValueError, match='blocks.2.attn.qkv.bias is not zero.*_qkvb'):
        teacher('dinov3', tmp_path / 'theirs.pth')


def test_a_folder_needs_weights_and_runs_nothing(small_timm, tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps(dict(
        architecture=KINDS['dinov2'][0], auto_map=dict(AutoModel='modeling.Model'))))
    (tmp_path / 'modeling.py').write_text('raise RuntimeError("was run")')
    with pytest.raises(ValueError, match='must hold one of model.safetensors'):
        teacher('dinov2', tmp_path)
    network, path = file_of('dinov2', small_timm, tmp_path)
    path.rename(tmp_path / 'model.safetensors')
    pictures, every = torch.randn(1, 3, ROWS * 4, COLUMNS * 4), torch.arange(12)[None]
    with torch.no_grad():
        assert_same([teacher('dinov2', tmp_path)(pictures, every)[1]],
                    [torch.cat(library(network, pictures)[1], 1)])


SHARDED = """
import amd_mm
import timm, torch
from amd_mm.models.teachers import TimmTeacher
from amd_mm.tokens import TokenGrid
create = timm.create_model
timm.create_model = lambda name, **settings: create(name, **{**settings, **SMALL})
torch.distributed.init_process_group('gloo')
teacher = TimmTeacher(ARCHITECTURE, (1, 2), PATH, shard=True,
                      student_grid=TokenGrid((ROWS, COLUMNS), (4, 4)))
assert teacher.is_sharded
assert sum(p.to_local().numel() for p in teacher.parameters()) < sum(
    p.numel() for p in teacher.parameters())
pictures, ids, wanted = torch.load(PATH + '.expected')
rank = torch.distributed.get_rank()
for have, want in zip(teacher(pictures[rank], ids[rank]), wanted, strict=True):
    torch.testing.assert_close(have, want[rank], rtol=1e-6, atol=1e-6)
torch.distributed.destroy_process_group()
"""


@pytest.mark.parametrize('kind', ['dinov2', 'dinov3'])
def test_shared_out_is_the_same_as_whole(kind, small_timm, tmp_path):
    """Two processes, each with half of the weights and pictures of its own."""
    _, path = file_of(kind, small_timm, tmp_path)
    pictures = torch.randn(2, 1, 3, ROWS * 4, COLUMNS * 4)
    ids = torch.tensor([[[7, 2, 3, 11, 0]], [[1, 2, 5, 8, 9]]])
    whole = teacher(kind, path)
    wanted = zip(*(whole(*one) for one in zip(pictures, ids, strict=True)), strict=True)
    torch.save((pictures, ids, list(wanted)), f'{path}.expected')
    architecture, small = KINDS[kind]
    script = tmp_path / 'sharded.py'
    script.write_text(f'SMALL, ARCHITECTURE, PATH = {small!r}, {architecture!r}, {str(path)!r}\n'
                      f'ROWS, COLUMNS = {ROWS}, {COLUMNS}\n{SHARDED}')
    command('python', '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node=2', script)


def test_a_failed_download_says_what_to_fetch(small_timm, monkeypatch):
    def fail(*_, **__):
        raise OSError('no network')

    monkeypatch.setattr(timm.models, 'load_state_dict_from_hf', fail)
    with pytest.raises(ValueError, match='no network.*fetch model.safetensors of timm/x, copy it'):
        teacher('dinov2', 'hf://timm/x')


def librarys_attention(network, pictures, block, class_token):
    """By timm's own code without the fused operator, as (B, rows, columns)."""
    found = []
    attn = network.blocks[block].attn
    attn.fused_attn = False
    attn.attn_drop.register_forward_hook(lambda module, args, result: found.append(result))
    with torch.no_grad():
        network.forward_intermediates(pictures, intermediates_only=True)
    weights = found[0].mean(1)
    patches = weights[:, 0] if class_token else weights.mean(1)
    return patches[:, network.num_prefix_tokens:].unflatten(1, (ROWS, COLUMNS))


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind != 'parallel blocks'])
def test_attention_is_the_librarys(kind, small_timm, tmp_path):
    network, path = file_of(kind, small_timm, tmp_path)
    pictures = torch.randn(2, 3, ROWS * 4, COLUMNS * 4)
    expected = librarys_attention(network.eval(), pictures, 1, kind != 'siglip').flatten(1)
    made = teacher(kind, path, student_grid=TokenGrid((ROWS, COLUMNS), (4, 4)))
    torch.testing.assert_close(made.attention(pictures), expected, atol=1e-6, rtol=1e-5)


def test_attention_in_clips_is_that_of_every_picture(small_timm, tmp_path):
    network, path = file_of('dinov2', small_timm, tmp_path)
    clips = torch.randn(2, 3, 6, ROWS * 4, COLUMNS * 4)
    made = teacher('dinov2', path, frames='first',
                   student_grid=TokenGrid((3, ROWS, COLUMNS), (2, 4, 4)))
    found = made.attention(clips).unflatten(1, (3, ROWS, COLUMNS))
    for clip in range(2):
        for frame in range(3):
            expected = librarys_attention(network.eval(), clips[clip:, :, 2 * frame][:1], 1, True)
            torch.testing.assert_close(found[clip, frame], expected[0], atol=1e-6, rtol=1e-5)


def test_attention_on_another_grid_is_interpolated(small_timm, tmp_path):
    network, path = file_of('dinov2', small_timm, tmp_path, size=(16, 16))
    pictures = torch.randn(2, 3, 16, 16)
    made = teacher('dinov2', path, match='interpolate', student_grid=TokenGrid((2, 2), (8, 8)))
    own = teacher('dinov2', path, student_grid=TokenGrid((4, 4), (4, 4)))
    expected = torch.nn.functional.interpolate(
        own.attention(pictures).unflatten(1, (1, 4, 4)), (2, 2), mode='bilinear', antialias=True)
    torch.testing.assert_close(made.attention(pictures), expected.flatten(1))
