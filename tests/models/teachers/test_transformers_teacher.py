"""Held to Transformers' own networks, of random weights and small sizes, in their own folders."""
import amd_mm  # noqa: F401, I001  mends torchvision, which Transformers imports

import json

import pytest
import torch
import transformers
from losses import AMD_NECK
from safetensors.torch import load_file, save_file
from tiny_vits import assert_same, pretraining_config, randomise
from torch import nn
from unsafe_files import Bomb

from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
SMALL = dict(hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=48,
             image_size=16, patch_size=4)
TEXT = dict(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=8,
            vocab_size=9)
DECODER = dict(decoder_hidden_size=8, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
               decoder_intermediate_size=16)
# Name of the class and of its config, what the config says, tokens before those of patches.
KINDS = {
    'dinov2': ('Dinov2Model', 'Dinov2Config', SMALL, 1),
    'dinov2 with registers': (
        'Dinov2WithRegistersModel', 'Dinov2WithRegistersConfig', SMALL, 5),
    'dinov2, tuned': ('Dinov2ForImageClassification', 'Dinov2Config', SMALL, 1),
    'dinov3': ('DINOv3ViTModel', 'DINOv3ViTConfig', dict(SMALL, num_register_tokens=2), 3),
    'clip tower': ('CLIPVisionModel', 'CLIPVisionConfig', SMALL, 1),
    'clip': ('CLIPModel', 'CLIPConfig', dict(vision_config=SMALL, text_config=TEXT), 1),
    'siglip': ('SiglipModel', 'SiglipConfig', dict(vision_config=SMALL, text_config=TEXT), 0),
    'vit': ('ViTModel', 'ViTConfig', SMALL, 1),
    'vit, tuned': ('ViTForImageClassification', 'ViTConfig', SMALL, 1),
    'mae': ('ViTMAEForPreTraining', 'ViTMAEConfig', SMALL | DECODER, 1),
    'msn': ('ViTMSNModel', 'ViTMSNConfig', SMALL, 1),
    'ijepa': ('IJepaModel', 'IJepaConfig', SMALL, 0),
    'beit': ('BeitModel', 'BeitConfig', dict(
        SMALL, use_relative_position_bias=True, use_mean_pooling=False), 1),
    'data2vec': ('Data2VecVisionModel', 'Data2VecVisionConfig', dict(
        SMALL, use_relative_position_bias=True, use_mean_pooling=False), 1),
    'vjepa2': ('VJEPA2Model', 'VJEPA2Config', dict(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=2, crop_size=16, patch_size=4,
        frames_per_clip=4, pred_hidden_size=12, pred_num_attention_heads=2,
        pred_num_hidden_layers=1), 0),
    'videomae': ('VideoMAEForPreTraining', 'VideoMAEConfig', SMALL | DECODER | dict(
        num_frames=4, use_mean_pooling=False), 0),
}
CLIPS = ('vjepa2', 'videomae')
RELATIVE = ('beit', 'data2vec')
IMAGENET = dict(image_mean=[.485, .456, .406], image_std=[.229, .224, .225])
# Tokens of the student; those of clips have patches of other sizes than the teacher's.
PICTURES, VIDEO = TokenGrid((4, 3), (8, 8)), TokenGrid((2, 4, 4), (2, 8, 8))


def folder_of(kind, path, preprocessor=IMAGENET, **changes):
    """A whole random network and the folder that it saves."""
    network, config, settings, _ = KINDS[kind]
    model = getattr(transformers, network)(
        getattr(transformers, config)(**settings | changes))
    randomise(model, seed=3).save_pretrained(path)
    (path / 'preprocessor_config.json').write_text(json.dumps(preprocessor))
    # The part with the blocks, by the library's own account of it.
    for part in ('vision_model', model.base_model_prefix):
        model = model if hasattr(model, 'embeddings') else getattr(model, part, model)
    return model


def teacher(kind, path, **settings):
    return MODELS.build(dict(dict(
        type='amd_mm.TransformersTeacher', taps=(1, 2), checkpoint=str(path),
        student_grid=VIDEO if kind in CLIPS else PICTURES,
        input_mean=[123.675, 116.28, 103.53], input_std=[58.395, 57.12, 57.375]), **settings))


def library(kind, network, pixels):
    """What Transformers itself gives after each block."""
    settings = dict(output_hidden_states=True)
    if kind in CLIPS:
        pixels = pixels.transpose(1, 2)
    if kind == 'vjepa2':
        settings['skip_predictor'] = True
    elif kind == 'mae':
        network.config.mask_ratio = 0.
        settings['noise'] = torch.arange(pixels.shape[-1] * pixels.shape[-2] / 16)[None].expand(
            len(pixels), -1)
    if kind not in ('dinov2', 'dinov2, tuned', 'dinov2 with registers', 'dinov3', *CLIPS):
        settings['interpolate_pos_encoding'] = True
    return network(pixels, **settings).hidden_states[1:]


def pixels_of(kind, batch=2, patch=8):
    size = (4, 4 * patch, 4 * patch) if kind in CLIPS else (4 * patch, 3 * patch)
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(1))


def resized(pixels):
    """Half as many rows and columns."""
    frames = pixels.transpose(1, 2).flatten(0, 1) if pixels.dim() == 5 else pixels
    frames = torch.nn.functional.interpolate(
        frames, [side // 2 for side in frames.shape[-2:]], mode='bicubic', antialias=True)
    return frames.unflatten(0, (len(pixels), -1)).transpose(1, 2) if pixels.dim() == 5 else frames


@pytest.mark.parametrize('kind', KINDS)
@torch.no_grad()
def test_features_of_all_tokens_are_the_librarys(kind, tmp_path):
    network, prefix = folder_of(kind, tmp_path), KINDS[kind][3]
    model = teacher(kind, tmp_path)
    has_class = int(prefix > 0)
    assert (model.embed_dims, model.num_prefix_tokens, model.channels) == (24, has_class, 3)
    assert len(model.network.blocks) == 2 and model.sees_subsets == (kind not in RELATIVE)
    pixels, count = pixels_of(kind), model.grid.num_tokens
    ids = torch.stack([torch.randperm(count) for _ in range(2)])
    expected = library(kind, network, resized(pixels))
    for have, want in zip(model(pixels, ids), expected, strict=False):
        patches = want[:, prefix:].gather(1, ids[..., None].expand(-1, -1, 24))
        assert_same([have], [torch.cat([want[:, :has_class], patches], 1)])


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind not in RELATIVE])
@torch.no_grad()
def test_features_of_some_tokens_are_the_librarys_without_the_others(kind, tmp_path):
    """Tokens are cut out of the library's own sequence, before its first block."""
    network, prefix = folder_of(kind, tmp_path), KINDS[kind][3]
    pixels = pixels_of(kind, batch=1, patch=4)
    kept = torch.tensor([[7, 2, 3, 11, 0]])
    places = torch.cat([torch.arange(prefix), prefix + kept[0]])
    blocks = next(part for part in network.modules()
                  if isinstance(part, nn.ModuleList) and len(part) == 3)

    def cut(_, inputs, settings):
        if inputs:
            return (inputs[0][:, places], *inputs[1:]), settings
        return inputs, dict(settings, hidden_states=settings['hidden_states'][:, places])

    def cut_rotations(_, inputs, settings):
        settings['position_embeddings'] = tuple(
            part[kept[0]] for part in settings['position_embeddings'])
        return inputs, settings

    blocks[0].register_forward_pre_hook(cut, with_kwargs=True)
    for block in blocks:
        if kind == 'dinov3':
            block.register_forward_pre_hook(cut_rotations, with_kwargs=True)
        if kind == 'vjepa2':
            block.register_forward_pre_hook(lambda _, inputs: (inputs[0], kept))
    expected = library(kind, network, pixels)
    for have, want in zip(teacher(kind, tmp_path)(pixels, kept), expected, strict=False):
        assert_same([have], [torch.cat([want[:, :int(prefix > 0)], want[:, prefix:]], 1)])


@pytest.mark.parametrize(('kind', 'norm'), [
    ('dinov2', 'layernorm'), ('dinov3', 'norm'), ('clip', 'post_layernorm'),
    ('siglip', 'post_layernorm'), ('vjepa2', 'encoder.layernorm'), ('videomae', 'layernorm')])
@torch.no_grad()
def test_features_go_through_the_final_norm_on_request(kind, norm, tmp_path):
    network, prefix = folder_of(kind, tmp_path), KINDS[kind][3]
    model = teacher(kind, tmp_path, normalize=True)
    pixels = pixels_of(kind, patch=4)
    ids = torch.arange(model.grid.num_tokens).expand(2, -1)
    for have, want in zip(model(pixels, ids), library(kind, network, pixels), strict=False):
        want = network.get_submodule(norm)(want)
        assert_same([have], [torch.cat([want[:, :int(prefix > 0)], want[:, prefix:]], 1)])


@torch.no_grad()
def test_registers_are_aligned_on_request(tmp_path):
    network = folder_of('dinov3', tmp_path)
    model = teacher('dinov3', tmp_path, registers='align')
    assert (model.num_prefix_tokens, model.num_register_tokens) == (3, 2)
    pixels = pixels_of('dinov3', batch=1, patch=4)
    have = model(pixels, torch.arange(12)[None])
    assert_same(have, list(library('dinov3', network, pixels)[:2]))


@pytest.mark.parametrize('kind', ['dinov3', 'clip', 'siglip', 'beit', 'vjepa2', 'videomae'])
@torch.no_grad()
def test_attention_is_the_librarys(kind, tmp_path):
    network, prefix = folder_of(kind, tmp_path), KINDS[kind][3]
    network.set_attn_implementation('eager')
    model, pixels, weights = teacher(kind, tmp_path), pixels_of(kind, patch=4), []
    block = next(part for part in network.modules()
                 if isinstance(part, nn.ModuleList) and len(part) == 3)[1]
    for name, part in block.named_modules():
        if name in ('self_attn', 'attention.attention') or (
                name == 'attention' and kind != 'videomae'):
            part.register_forward_hook(lambda _, inputs, output: weights.append(output[1]))
    library(kind, network, pixels)
    want = weights[0].mean(1)[:, :1 if prefix else None, prefix:].mean(1)
    torch.testing.assert_close(model.attention(pixels), want, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_vjepa2_counts_rows_and_columns_of_any_student(tmp_path):
    """Against the library on the square that the student's tokens are the left part of."""
    network = folder_of('vjepa2', tmp_path)
    model = teacher('vjepa2', tmp_path, student_grid=TokenGrid((2, 4, 3), (2, 4, 4)))
    clip = pixels_of('vjepa2', batch=1, patch=4)
    kept = torch.arange(32).reshape(2, 4, 4)[:, :, :3].flatten()
    blocks = network.encoder.layer
    blocks[0].register_forward_pre_hook(lambda _, inputs: (inputs[0][:, kept], kept[None]))
    for block in blocks[1:]:
        block.register_forward_pre_hook(lambda _, inputs: (inputs[0], kept[None]))
    have = model(clip[..., :12], torch.arange(24)[None])
    assert_same(have, list(library('vjepa2', network, clip)[:2]))


@pytest.mark.parametrize('frames', ['first', 'mean'])
@torch.no_grad()
def test_clips_are_seen_frame_by_frame(frames, tmp_path):
    network = folder_of('dinov3', tmp_path)
    model = teacher('dinov3', tmp_path, frames=frames, student_grid=VIDEO)
    assert not model.sees_subsets and model.num_prefix_tokens == 0
    clip = torch.randn(1, 3, 4, 32, 32)
    ids = torch.randperm(32)[None]
    shown = [clip[:, :, 0], clip[:, :, 2]] if frames == 'first' else [
        clip[:, :, :2].mean(2), clip[:, :, 2:].mean(2)]
    for tap, have in enumerate(model(clip, ids)):
        want = [library('dinov3', network, resized(picture))[tap][:, 3:] for picture in shown]
        assert_same([have], [torch.cat(want, 1)[:, ids[0]]])


@torch.no_grad()
def test_features_are_interpolated_to_the_students_grid(tmp_path):
    network = folder_of('siglip', tmp_path)
    model = teacher('siglip', tmp_path, match='interpolate', student_grid=TokenGrid((2, 2), (8, 8)))
    pictures = torch.randn(1, 3, 16, 16)
    whole = library('siglip', network, pictures)[0].reshape(1, 4, 4, 24).permute(0, 3, 1, 2)
    want = torch.nn.functional.interpolate(whole, (2, 2), mode='bilinear', antialias=True)
    have = model(pictures, torch.arange(4)[None])[0]
    torch.testing.assert_close(have, want.flatten(2).transpose(1, 2))


@pytest.mark.parametrize('name', ['preprocessor_config.json', 'video_preprocessor_config.json'])
@torch.no_grad()
def test_pixels_are_normalised_as_its_folder_says(name, tmp_path):
    network = folder_of('siglip', tmp_path, dict(image_mean=[.5] * 3, image_std=[.25] * 3))
    (tmp_path / 'preprocessor_config.json').rename(tmp_path / name)
    model = teacher('siglip', tmp_path)
    unit = torch.rand(1, 3, 16, 12)
    mean, std = (torch.tensor(IMAGENET[name]).view(3, 1, 1) for name in ('image_mean', 'image_std'))
    have = model((unit - mean) / std, torch.arange(12)[None])[1]
    want = library('siglip', network, (unit - .5) / .25)[1]
    torch.testing.assert_close(have, want, rtol=1e-4, atol=1e-4)


def test_a_folder_that_does_not_say_its_pixels_is_warned_of(tmp_path):
    folder_of('clip', tmp_path)
    (tmp_path / 'preprocessor_config.json').unlink()
    with pytest.warns(UserWarning, match='has no preprocessor_config.json.*Set model.teacher.mean'):
        teacher('clip', tmp_path)
    teacher('clip', tmp_path, mean=[127.5], std=[127.5])


@pytest.mark.parametrize('kind', ['dinov3', 'vjepa2', 'siglip'])
@torch.no_grad()
def test_shared_out_it_gives_the_same(kind, tmp_path, monkeypatch):
    """One process that shares with itself: weights are fetched and given back all the same."""
    folder_of(kind, tmp_path)
    pixels, kept = pixels_of(kind, patch=4), torch.tensor([[7, 2, 3, 11, 0]]).expand(2, -1)
    want = teacher(kind, tmp_path, normalize=True)(pixels, kept)
    monkeypatch.setattr('amd_mm.models.teachers.base.get_world_size', lambda: 2)
    torch.distributed.init_process_group(
        'gloo', store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        model = teacher(kind, tmp_path, normalize=True, shard=True)
        assert model.is_sharded
        for _ in range(2):
            assert_same(model(pixels, kept), want)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize('kind', ['dinov3', 'vjepa2'])
def test_amd_learns_from_it(kind, tmp_path):
    modality = 'video' if kind in CLIPS else 'image'
    folder_of(kind, tmp_path)
    config = pretraining_config(modality, amd=True)
    config['teacher'] = dict(
        type='amd_mm.TransformersTeacher', taps=(1, 2), checkpoint=str(tmp_path))
    if modality == 'video':
        config['neck'] = dict(AMD_NECK, align_cls_token=False)
    model = MODELS.build(config)
    model.init_weights()
    losses = model.loss(pixels_of('vjepa2') if modality == 'video' else torch.randn(2, 3, 32, 32))
    sum(losses.values()).backward()
    assert set(losses) == {'loss_rec', 'loss_dir', 'loss_gen'}
    assert all(loss.isfinite() for loss in losses.values())
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
    assert not any(weight.requires_grad for weight in model.teacher.parameters())
    assert not any('teacher' in name for name in model.state_dict())


def test_a_kind_with_relative_positions_needs_all_tokens(tmp_path):
    folder_of('beit', tmp_path)
    config = pretraining_config('image', amd=True)
    config['teacher'] = dict(
        type='amd_mm.TransformersTeacher', taps=(1, 2), checkpoint=str(tmp_path))
    with pytest.raises(ValueError, match='must see all 16 tokens.*teacher_ratio=0'):
        MODELS.build(config)


@pytest.mark.parametrize(('kind', 'names'), [
    ('vit', {'layers.': 'encoder.layer.', 'mlp.fc1': 'intermediate.dense',
             'mlp.fc2': 'output.dense'}),
    ('dinov2', {}), ('dinov3', {'model.layer.': 'layer.'})])
@torch.no_grad()
def test_names_of_earlier_versions_are_understood(kind, names, tmp_path):
    """Folders that were saved before Transformers 5 have these."""
    if kind != 'dinov3':
        names = names | {f'attention.{part[0]}_proj': f'attention.attention.{part}'
                         for part in ('query', 'key', 'value')}
        names['attention.o_proj'] = 'attention.output.dense'
    folder_of(kind, tmp_path)
    pixels, ids = pixels_of(kind), torch.arange(12).expand(2, -1)
    want = teacher(kind, tmp_path)(pixels, ids)
    weights = load_file(tmp_path / 'model.safetensors')
    for new, old in names.items():
        weights = {name.replace(new, old): weight for name, weight in weights.items()}
    save_file(weights, tmp_path / 'model.safetensors')
    assert any('1.attention.attention.query' in name or name.startswith('layer.1.')
               for name in weights)
    assert_same(teacher(kind, tmp_path)(pixels, ids), want)


def test_weights_may_be_torchs_own(tmp_path):
    network = folder_of('dinov2', tmp_path)
    (tmp_path / 'model.safetensors').unlink()
    torch.save(network.state_dict(), tmp_path / 'pytorch_model.bin')
    teacher('dinov2', tmp_path)
    torch.save(dict(Dinov2=Bomb(tmp_path / 'executed')), tmp_path / 'pytorch_model.bin')
    with pytest.raises(ValueError, match='must hold weights only'):
        teacher('dinov2', tmp_path)
    assert not (tmp_path / 'executed').exists()


def test_code_of_a_folder_is_refused_and_not_executed(tmp_path):
    folder_of('dinov2', tmp_path)
    config = json.loads((tmp_path / 'config.json').read_text())
    config['auto_map'] = dict(AutoModel='modeling.Own', AutoConfig='modeling.OwnConfig')
    (tmp_path / 'config.json').write_text(json.dumps(config))
    (tmp_path / 'modeling.py').write_text(f'open({str(tmp_path / "executed")!r}, "w")')
    with pytest.raises(ValueError, match='wants code of its own .auto_map.. Nothing was executed'):
        teacher('dinov2', tmp_path)
    assert not (tmp_path / 'executed').exists()


def test_weights_that_do_not_fit_are_refused(tmp_path):
    def change(kind, edit):
        folder = tmp_path / kind
        network = folder_of(kind, folder)
        weights = dict(network.state_dict())
        edit(weights)
        (folder / 'model.safetensors').unlink()
        torch.save(weights, folder / 'pytorch_model.bin')
        return folder

    folder = change('dinov2', lambda weights: weights.pop('encoder.layer.1.norm1.weight'))
    with pytest.raises(ValueError, match='those of a Dinov2Model .*missing are encoder.layer.1'):
        teacher('dinov2', folder)
    teacher('dinov2', folder, taps=(1, ))
    folder = change('vit', lambda weights: weights.update({'layers.0.bad': torch.ones(2)}))
    with pytest.raises(ValueError, match='left over are layers.0.bad'):
        teacher('vit', folder)
    folder = change('dinov3', lambda weights: weights.update({'model.layer.1.a.b': torch.ones(2)}))
    with pytest.raises(ValueError, match='left over are layer.1.a.b|left over are model.layer.1.a'):
        teacher('dinov3', folder)
    folder = change('dinov2 with registers', lambda weights: None)
    config = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps(dict(config, model_type='dinov2')))
    with pytest.raises(ValueError, match='left over are embeddings.register_tokens'):
        teacher('dinov2', folder)
    (folder / 'config.json').write_text(json.dumps(dict(config, hidden_size=48)))
    with pytest.raises(ValueError, match='those of a Dinov2WithRegistersModel'):
        teacher('dinov2', folder)


def test_other_folders_are_refused(tmp_path):
    resnet, empty = tmp_path / 'resnet', tmp_path / 'empty'
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8], depths=[1], layer_type='basic')
    transformers.ResNetModel(config).save_pretrained(resnet)
    with pytest.raises(ValueError, match="must be an encoder of patches .*dinov2, .*got 'resnet'"):
        teacher('dinov2', resnet)
    config = json.loads((resnet / 'config.json').read_text())
    for other in ('swin', 'bert', 'siglip2', 'nothing', None):
        (resnet / 'config.json').write_text(json.dumps(dict(config, model_type=other)))
        with pytest.raises(ValueError, match=f'must be an encoder of patches .*got .?{other}'):
            teacher('dinov2', resnet)
    empty.mkdir()
    (empty / 'config.json').write_text('{"model_type": "dinov2"}')
    with pytest.raises(ValueError, match='must hold one of model.safetensors, .*it holds config'):
        teacher('dinov2', empty)
    (empty / 'config.json').write_text('{"model_type": "dinov2", "num_hidden_layers": "many"}')
    (resnet / 'model.safetensors').rename(empty / 'model.safetensors')
    with pytest.raises(ValueError, match='Transformers cannot read its config.json'):
        teacher('dinov2', empty)
    (empty / 'model.safetensors').rename(tmp_path / 'model.safetensors')
    with pytest.raises(ValueError, match='must be a folder of Transformers, .* got a file alone'):
        teacher('dinov2', tmp_path / 'model.safetensors')


@pytest.mark.parametrize(('kind', 'changes', 'message'), [
    ('dinov2', dict(taps=(1, 4)), 'Taps of the teacher .* up to its depth 3'),
    ('dinov2', dict(checkpoint=''), 'has no checkpoint: set model.teacher.checkpoint=FOLDER'),
    ('dinov2', dict(checkpoint='nothing'), 'there is nothing at this path'),
    ('dinov2', dict(architecture=dict(model_type='dinov2')), 'belongs to checkpoint=None'),
    ('dinov2', dict(student_grid=VIDEO), 'must be first or mean.*got None'),
    ('dinov2', dict(registers='align'), 'needs a teacher with register tokens .* dinov2 with 0'),
    ('beit', dict(student_grid=PICTURES, frames='mean'), "must be None for a student of pictures"),
    ('vjepa2', dict(student_grid=PICTURES), 'A teacher of clips needs a student of clips'),
    ('vjepa2', dict(student_grid=TokenGrid((4, 4, 4), (1, 8, 8))),
     'as many frames into a token, got 1 and 2: set tubelet_size=2'),
    ('vjepa2', dict(frames='mean'), 'match and frames must be None for a teacher that sees clips'),
    ('videomae', dict(student_grid=TokenGrid((2, 4, 3), (2, 8, 8))),
     r'has positions of \(2, 4, 4\) tokens alone .* got a student of \(2, 4, 3\).*FrozenTeacher'),
])
def test_what_does_not_fit_is_refused(kind, changes, message, tmp_path):
    folder_of(kind, tmp_path)
    with pytest.raises(ValueError, match=message):
        teacher(kind, tmp_path, **changes)


def test_a_final_norm_that_is_not_there_is_refused(tmp_path):
    folder_of('videomae', tmp_path, use_mean_pooling=True)
    with pytest.raises(ValueError, match='must have a norm behind the blocks for normalize=True'):
        teacher('videomae', tmp_path, normalize=True)
    teacher('videomae', tmp_path)


def test_a_failed_download_says_what_to_fetch(monkeypatch):
    def fail(*_, **__):
        raise OSError('no network')

    monkeypatch.setattr('huggingface_hub.snapshot_download', fail)
    with pytest.raises(ValueError, match='no network.*fetch config.json, .* of facebook/x into'):
        teacher('dinov2', 'hf://facebook/x')


def test_a_download_is_read_as_a_folder(monkeypatch, tmp_path):
    folder_of('dinov2', tmp_path)
    asked = []
    monkeypatch.setattr('huggingface_hub.snapshot_download', lambda name, allow_patterns: (
        asked.append(name) or str(tmp_path)))
    assert teacher('dinov2', 'hf://facebook/x').taps == [1, 2] and asked == ['facebook/x']


def test_random_weights_are_asked_for():
    with pytest.warns(UserWarning, match='The teacher has random weights'):
        model = teacher('vjepa2', '', checkpoint=None, architecture=dict(
            KINDS['vjepa2'][2], model_type='vjepa2'))
    assert len(model.network.blocks) == 2
