"""Files as VideoMAE V2 and InternVideo lay them out, through our encoder as a teacher.

Both name and compute what VideoMAE does (OpenGVLab/VideoMAEv2, models/modeling_finetune.py and
modeling_pretrain.py; OpenGVLab/InternVideo, InternVideo1/Pretrain/VideoMAE); features are held to
a plain statement of that network.
"""
import json

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from recipes import CONFIGS
from tiny_vits import assert_same

from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export.zoo import identify, resembling
from amd_mm.registry import MODELS

WIDTH, DEPTH, HEADS, PATCH, FRAMES, SIZE = 24, 3, 3, 7, 4, 21
HIDDEN = 104  # of MLPs, 48 / 11 times as wide as the tokens and cut down, as the giant's
GRID = (FRAMES // 2, SIZE // PATCH, SIZE // PATCH)
BACKBONE = dict(
    type='amd_mm.VideoVisionTransformer', img_size=SIZE, patch_size=PATCH, num_frames=FRAMES,
    embed_dims=WIDTH, depth=DEPTH, num_heads=HEADS, mlp_ratio=48 / 11, use_mean_pooling=False)


def encoder(width=WIDTH, depth=DEPTH, hidden=HIDDEN, patch=PATCH, **options):
    """Names to weights of an encoder, as the authors' code names them."""
    def weight(*shape):
        return torch.empty(shape, **options) if options else .3 * torch.randn(shape)

    def affine(name, width=width):
        return {f'{name}.weight': 1 + weight(width), f'{name}.bias': weight(width)}

    state = {'patch_embed.proj.weight': weight(width, 3, 2, patch, patch),
             'patch_embed.proj.bias': weight(width)}
    for block in (f'blocks.{index}' for index in range(depth)):
        state |= affine(f'{block}.norm1') | affine(f'{block}.norm2') | {
            f'{block}.attn.q_bias': weight(width), f'{block}.attn.v_bias': weight(width),
            f'{block}.attn.qkv.weight': weight(3 * width, width),
            f'{block}.attn.proj.weight': weight(width, width),
            f'{block}.attn.proj.bias': weight(width),
            f'{block}.mlp.fc1.weight': weight(hidden, width),
            f'{block}.mlp.fc1.bias': weight(hidden),
            f'{block}.mlp.fc2.weight': weight(width, hidden),
            f'{block}.mlp.fc2.bias': weight(width)}
    return state


def final(name, width=WIDTH):
    return {f'{name}.weight': torch.ones(width), f'{name}.bias': torch.zeros(width)}


def pretrained(state):
    """With the decoder, behind a prefix."""
    inside = {f'encoder.{name}': value for name, value in (state | final('norm')).items()}
    decoder = {f'decoder.{name}': value for name, value in (
        encoder(width=12, depth=1, hidden=48) | final('norm', 12)).items()
        if not name.startswith('patch_embed')}
    return inside | decoder | {
        'encoder_to_decoder.weight': torch.randn(12, WIDTH), 'mask_token': torch.zeros(1, 1, 12),
        'decoder.head.weight': torch.randn(6 * PATCH**2, 12),
        'decoder.head.bias': torch.zeros(6 * PATCH**2)}


def fine_tuned(state):
    """Mean pooling: no norm on tokens."""
    return state | final('fc_norm') | {
        'head.weight': torch.randn(5, WIDTH), 'head.bias': torch.zeros(5)}


@pytest.fixture(scope='module')
def weights():
    torch.manual_seed(0)
    return encoder()


def plain_features(state, clip, ids):
    """After every block, of the tokens ``ids`` (B, K) alone; the network in one place."""
    tokens = F.conv3d(clip, state['patch_embed.proj.weight'], state['patch_embed.proj.bias'],
                      stride=(2, PATCH, PATCH)).flatten(2).transpose(1, 2)
    places = torch.arange(tokens.shape[1], dtype=torch.float64)[:, None]
    angles = places / 10000**(2 * (torch.arange(WIDTH) // 2) / WIDTH)
    angles[:, 0::2], angles[:, 1::2] = angles[:, 0::2].sin(), angles[:, 1::2].cos()
    tokens = (tokens + angles.float()).gather(1, ids[..., None].expand(-1, -1, WIDTH))
    found = []
    for index in range(DEPTH):
        block = {name.removeprefix(f'blocks.{index}.'): value for name, value in state.items()
                 if name.startswith(f'blocks.{index}.')}

        def norm(name, x, block=block):
            return F.layer_norm(x, (WIDTH, ), block[f'{name}.weight'], block[f'{name}.bias'], 1e-6)

        def linear(name, x, block=block):
            return F.linear(x, block[f'{name}.weight'], block[f'{name}.bias'])

        bias = torch.cat([block['attn.q_bias'], torch.zeros(WIDTH), block['attn.v_bias']])
        query, key, value = (
            part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in F.linear(
                norm('norm1', tokens), block['attn.qkv.weight'], bias).chunk(3, -1))
        attention = (query @ key.transpose(2, 3) * (WIDTH // HEADS)**-.5).softmax(-1)
        tokens = tokens + linear('attn.proj', (attention @ value).transpose(1, 2).flatten(2))
        tokens = tokens + linear('mlp.fc2', F.gelu(linear('mlp.fc1', norm('norm2', tokens))))
        found.append(tokens)
    return found


def folder(path, state):
    """The authors' folder with code of its own, which is not run."""
    path.mkdir()
    (path / 'config.json').write_text(json.dumps(dict(
        model_type='VideoMAEv2_Giant', auto_map={'AutoModel': 'modeling.VideoMAEv2'},
        model_config=dict(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH,
                          num_heads=HEADS, num_frames=FRAMES, cos_attn=False))))
    (path / 'modeling.py').write_text('raise RuntimeError("was run")')
    torch.save({f'model.{name}': value for name, value in state.items()},
               path / 'pytorch_model.bin')


# How the files are wrapped: pre-training saves `model`, fine-tuning under DeepSpeed `module`.
FILES = {
    'pre-trained': lambda path, state: torch.save(
        {'model': pretrained(state), 'epoch': 1, 'optimizer': {}}, path),
    'fine-tuned or distilled': lambda path, state: torch.save(
        {'module': fine_tuned(state)}, path),
    'fine-tuned, saved of a wrapped model': lambda path, state: torch.save(
        {'module': {f'module.{name}': value for name, value in fine_tuned(state).items()}}, path),
    'bare': lambda path, state: torch.save(fine_tuned(state), path),
    'folder': lambda path, state: folder(path, fine_tuned(state)),
}


@pytest.mark.parametrize('kind', FILES)
@torch.no_grad()
def test_features_are_those_of_a_plain_network(kind, weights, tmp_path):
    path = tmp_path / 'teacher.pth'
    FILES[kind](path, weights)
    teacher = MODELS.build(dict(type='amd_mm.FrozenTeacher', backbone=BACKBONE, taps=(1, 2, 3),
                                checkpoint=str(path)))
    clip = torch.randn(2, 3, FRAMES, SIZE, SIZE)
    every = torch.arange(2 * 3 * 3).expand(2, -1)
    some = torch.stack([torch.randperm(18)[:7] for _ in range(2)])
    for ids in (every, some):
        assert_same(teacher(clip, ids), plain_features(weights, clip, ids))


@pytest.mark.parametrize(('recipe', 'width', 'depth', 'hidden', 'patch', 'names'), [
    ('amd/large_teachers/amd_vit-base-p14-from-giant_b512-16x4x1-200e_kinetics400-rgb', 1408, 40,
     6144, 14, ['videomae-v2-giant']),
    ('amd/large_teachers/amd_vit-base-p16-from-huge_b512-16x4x1-200e_kinetics400-rgb', 1280, 32,
     5120, 16, ['internvideo-videomae-huge'])])
def test_recipes_have_the_networks_of_the_large_files(recipe, width, depth, hidden, patch, names):
    """Names and shapes at full size, without memory."""
    state = encoder(width, depth, hidden, patch, device='meta')
    found = [entry.name for entry in resembling(*identify(Checkpoint(state)))]
    assert found == names
    backbone = Config.fromfile(CONFIGS / f'{recipe}.py').model.teacher.backbone
    assert backbone.depth == depth
    network = MODELS.build(dict(backbone, depth=1))
    ours = {name.replace('.projection.', '.proj.') if name.startswith('patch') else
            name.replace('mlp.layers.0.0', 'mlp.fc1').replace('mlp.layers.1', 'mlp.fc2'):
            value.shape for name, value in network.state_dict().items()}
    assert {name: shape for name, shape in ours.items()
            if not name.startswith(('norm', 'fc_norm', 'pos_embed'))} == {
        name: value.shape for name, value in state.items()
        if name.startswith(('patch', 'blocks.0.'))}


def internvideo2():
    """Of InternVideo2 (InternVideo2/single_modality/models/internvideo2.py)."""
    state = {name: value for name, value in encoder().items()
             if not name.endswith(('norm1.bias', 'norm2.bias', 'q_bias', 'v_bias'))}
    for index in range(DEPTH):
        state |= {f'blocks.{index}.{name}': torch.ones(WIDTH) for name in (
            'attn.q_norm.weight', 'attn.k_norm.weight', 'ls1.gamma', 'ls2.gamma')}
    return state | {'cls_token': torch.zeros(1, 1, WIDTH), 'pos_embed': torch.zeros(1, 19, WIDTH)}


def with_keys(more):
    return {**encoder(), **{f'blocks.{index}.{name}': value for index in range(DEPTH)
                            for name, value in more.items()}}


@pytest.mark.parametrize(('state', 'words'), [
    (internvideo2, 'layer scale, norms of queries and keys'),
    (lambda: with_keys({'attn.scale': torch.zeros(HEADS, 1, 1)}), 'scaled cosine attention'),
    (lambda: {name.replace('q_bias', 'qkv.bias'): (
        torch.zeros(3 * WIDTH) if name.endswith('q_bias') else value)
        for name, value in encoder().items() if not name.endswith('v_bias')},
     r'biases of keys \(V-JEPA has them, with rotary positions\)')])
def test_other_blocks_are_refused_in_words(state, words, tmp_path):
    path = tmp_path / 'teacher.pth'
    torch.save({'model': state()}, path)
    with pytest.raises(ValueError, match=f'has {words}, which is not supported'):
        MODELS.build(dict(type='amd_mm.FrozenTeacher', backbone=BACKBONE, taps=(1, ),
                          checkpoint=str(path)))
