"""Facts that no tensor holds: what each kind of source says, compared, and what is unusual."""
import json
from dataclasses import replace

import pytest
import torch

from amd_mm.checkpoints.facts import (
    IMAGENET,
    INCEPTION,
    NetworkFacts,
    compare_facts,
    facts_of,
    unsaid_facts,
    usual_heads,
)
from amd_mm.checkpoints.reading import Checkpoint

HALF = dict(mean=INCEPTION[0], std=INCEPTION[1])
OWN_CODE = dict(embed_dim=24, num_heads=3, qk_scale=.25, layer_norm_eps=1e-5, img_size=[48, 64],
                num_frames=8, act_layer='nn.ReLU')
CONFIG = """
data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
model = dict(backbone=dict(
    type='amd_mm.ImageVisionTransformer', norm_cfg=dict(type='LN', eps=1e-5), img_size=(48, 64),
    arch=ARCH, layer_cfgs=dict(act_cfg=dict(type='ReLU'))), decoder=dict(num_heads=2))
"""


@pytest.mark.parametrize(('source', 'want'), [
    (dict(config=dict(hidden_size=24, num_attention_heads=3, hidden_act='gelu_new', num_frames=8,
                      layer_norm_eps=1e-5, image_size=[48, 64], decoder_num_attention_heads=2)),
     NetworkFacts(num_heads=3, activation='gelu_tanh', norm_eps=1e-5, qk_scale=8**-.5,
                  image_size=(48, 64), num_frames=8, decoder_heads=2)),
    # What the library takes for a key that is left out.
    (dict(config=dict(model_type='videomae')),
     NetworkFacts(num_heads=12, activation='gelu', norm_eps=1e-12, qk_scale=.125,
                  image_size=(224, 224), num_frames=16, positions='sequence')),
    (dict(config=dict(model_type='VideoMAEv2', model_config=OWN_CODE)),
     NetworkFacts(num_heads=3, activation='relu', norm_eps=1e-5, qk_scale=.25,
                  image_size=(48, 64), num_frames=8, positions='sequence')),
    (dict(preprocessor=dict(image_mean=[.5] * 3, image_std=[.5] * 3)), NetworkFacts(**HALF)),
    # Pixels from -1 to 1 by the factor alone.
    (dict(preprocessor=dict(image_mean=[1.] * 3, image_std=[1.] * 3, rescale_factor=1 / 127.5)),
     NetworkFacts(**HALF)),
    (dict(preprocessor=dict(image_mean=[.5] * 3, image_std=[.5] * 3, do_normalize=False)),
     NetworkFacts(mean=(0., ) * 3, std=(255., ) * 3)),
    (dict(meta=dict(args=dict(input_size=48, num_frames=8, imagenet_default_mean_and_std=False))),
     NetworkFacts(image_size=(48, 48), num_frames=8, positions='sequence', **HALF)),
    (dict(meta=dict(args=dict(model='pretrain_videomae_small_patch16_224'))),
     NetworkFacts(num_heads=6)),
    (dict(meta=dict(args=dict(model='mae_vit_large_patch16'))), NetworkFacts(num_heads=16)),
    (dict(state_dict={'module.base_encoder.patch_embed.proj.weight': torch.ones(384, 3, 16, 16)}),
     NetworkFacts(num_heads=12)),
    (dict(meta=dict(args=dict(imagenet_default_mean_and_std=True))),
     NetworkFacts(mean=IMAGENET[0], std=IMAGENET[1])),
    (dict(meta=dict(args=dict(num_frames=16, use_cls_token=False))),
     NetworkFacts(num_frames=16, positions='space-time')),
    (dict(meta=dict(meta=dict(cfg=CONFIG.replace('ARCH', "'deit-small'")))),
     NetworkFacts(num_heads=6, activation='relu', norm_eps=1e-5, qk_scale=.125,
                  image_size=(48, 64), decoder_heads=2, **HALF)),
    (dict(meta=dict(meta=dict(cfg="model = dict(backbone=dict(embed_dims=384, "
                                  "type='amd_mm.VideoVisionTransformer'))"))),
     NetworkFacts(num_heads=12, qk_scale=32**-.5)),
    # What our converter writes wins over the config that travels on.
    (dict(meta=dict(meta=dict(cfg="model = dict(backbone=dict(img_size=224, num_heads=3))",
                              facts=dict(image_size=[48, 64], positions='sequence')))),
     NetworkFacts(num_heads=3, image_size=(48, 64), positions='sequence')),
    # Anything may stand under these names.
    (dict(config=dict(num_attention_heads='many', hidden_act=7, layer_norm_eps=None,
                      image_size=[1, 2, 3], num_frames=True, model_config=[3])), NetworkFacts()),
    (dict(config=dict(image_size=float('nan'), num_frames=-1)), NetworkFacts()),
    (dict(config=dict(image_size=[224, -224], num_attention_heads=0)), NetworkFacts()),
], ids=['transformers', 'defaults', 'own code', 'preprocessor', 'factor', 'not normalised',
        'args', 'name', 'name of MAE', 'MoCo v3', 'args ImageNet', 'MVD', 'config',
        'default heads', 'facts', 'nonsense', 'no number', 'below zero'])
def test_sources(source: dict, want: NetworkFacts) -> None:
    have = facts_of(Checkpoint(**dict(state_dict={}) | source))
    for name in ('mean', 'std', 'qk_scale'):
        expected = getattr(want, name)
        assert getattr(have, name) == (expected and pytest.approx(expected, rel=1e-6)), name
    assert replace(have, mean=None, std=None, qk_scale=None) == replace(
        want, mean=None, std=None, qk_scale=None)


@pytest.mark.parametrize(('config', 'want'), [
    (dict(architecture='vit_small_patch16_224'),
     NetworkFacts(num_heads=6, activation='gelu', norm_eps=1e-6, image_size=(224, 224))),
    (dict(architecture='vit_base_patch16_clip_quickgelu_224'),
     NetworkFacts(num_heads=12, activation='quick_gelu', norm_eps=1e-5, image_size=(224, 224))),
    (dict(architecture='vit_tiny_patch16_224',
          model_args=dict(embed_dim=24, num_heads=2, depth=1, patch_size=8, img_size=[48, 64])),
     NetworkFacts(num_heads=2, activation='gelu', norm_eps=1e-6, image_size=(48, 64))),
    # A name that timm does not know: what stands there. Nothing is fetched by any name.
    (dict(architecture='hf-hub:someone/something'), NetworkFacts()),
    (dict(architecture='vit_tiny_patch16_224', model_args=dict(depth='deep')), NetworkFacts()),
    (dict(architecture='vit_tiny_patch16_224', model_args=dict(depth=10**9)), NetworkFacts()),
    (dict(architecture='swin_tiny_patch4_window7_224', model_args=dict(depths=[1, 10**9])),
     NetworkFacts()),
    (dict(architecture='vit_of_mine', model_args=dict(num_heads=2)), NetworkFacts(num_heads=2)),
])
def test_timm_is_asked_itself(config: dict, want: NetworkFacts) -> None:
    config['pretrained_cfg'] = dict(mean=[.5] * 3, std=[.5] * 3)
    config = json.loads(json.dumps(config))
    have = facts_of(Checkpoint({}, config=config))
    assert replace(have, qk_scale=None) == replace(want, **HALF)


def test_differences_name_both_values() -> None:
    file = NetworkFacts(num_heads=6, activation='relu', norm_eps=1e-3, image_size=(48, 64))
    model = NetworkFacts(num_heads=12, activation='gelu', norm_eps=1e-6, image_size=(64, 48))
    assert compare_facts(file, model) == [
        'attention heads: checkpoint 6, model 12', 'activation: checkpoint relu, model gelu',
        'norm epsilon: checkpoint 0.001, model 1e-06',
        'image size: checkpoint 48 x 64, model 64 x 48']
    assert not compare_facts(file, NetworkFacts()) and not compare_facts(NetworkFacts(), model)
    # Transformers writes 1e-12 for networks trained with 1e-6.
    assert not compare_facts(NetworkFacts(norm_eps=1e-12), model)
    assert not compare_facts(NetworkFacts(mean=(123.68, 116.28, 103.53)),
                             NetworkFacts(mean=IMAGENET[0]))


def test_what_is_unsaid_and_unusual() -> None:
    model = NetworkFacts(num_heads=12, activation='gelu', norm_eps=1e-5, qk_scale=.1)
    assert list(unsaid_facts(NetworkFacts(), model, 384).values()) == [
        'attention heads: model 12, usual 6', 'norm epsilon: model 1e-05, usual 1e-06',
        'scale of attention logits: model 0.1, usual 0.176777']
    assert list(unsaid_facts(NetworkFacts(num_heads=6, norm_eps=1e-6), model, 384)) == ['qk_scale']
    usual = NetworkFacts(num_heads=6, activation='gelu', norm_eps=1e-6, qk_scale=.125)
    assert not unsaid_facts(NetworkFacts(), usual, 384)
    assert [usual_heads(width) for width in (192, 512, 1280, 1408, 24)] == [3, 8, 16, 16, None]
