"""Groups of weights, against those of mmsegmentation's constructor and of mmpretrain's."""
import pytest
import tiny_vits
from mmengine.optim import build_optim_wrapper
from mmseg.models import EncoderDecoder
from torch import nn

from amd_mm.engine import LayerDecayConstructor
from amd_mm.models.backbones import ImageVisionTransformer
from amd_mm.registry import MODELS

DEPTH, RATE, WIDTH = 4, .65, tiny_vits.WIDTH


class MAEStudent(ImageVisionTransformer):
    """By its name mmsegmentation's constructor knows it for a transformer."""


def segmentor() -> EncoderDecoder:
    arch = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=3, feedforward_channels=WIDTH)
    norm = dict(type='BN')
    return MODELS.build(dict(
        type='mmseg.EncoderDecoder',
        backbone=dict(type='amd_mm.ImageVisionTransformer', arch=arch, img_size=32,
                      out_type='featmap', out_indices=(0, 1, 2, 3), fixed_positions=False),
        neck=dict(type='mmseg.Feature2Pyramid', embed_dim=WIDTH, rescales=[4, 2, 1, .5],
                  norm_cfg=norm),
        decode_head=dict(type='mmseg.UPerHead', in_channels=[WIDTH] * 4, in_index=[0, 1, 2, 3],
                         channels=8, num_classes=3, norm_cfg=norm)))


def rates(model: nn.Module, constructor: str, **paramwise: float) -> dict[str, tuple]:
    """Rate and weight decay of each weight."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    wrapper = build_optim_wrapper(model, dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=.5, weight_decay=.05),
        constructor=constructor, paramwise_cfg=paramwise))
    return {names[id(weight)]: (group['lr'], group['weight_decay'])
            for group in wrapper.optimizer.param_groups for weight in group['params']}


def test_groups_are_mmsegmentations():
    model = segmentor()
    model.backbone.__class__ = MAEStudent
    ours = rates(model, 'amd_mm.LayerDecayConstructor', layer_decay_rate=RATE, flat_decay_mult=0.)
    host = rates(model, 'mmseg.LearningRateDecayOptimizerConstructor', num_layers=DEPTH,
                 decay_rate=RATE, decay_type='layer_wise')
    assert set(ours) == {name for name, _ in model.named_parameters()}
    assert ours == {name: pytest.approx(value) for name, value in host.items()}


def test_rates_by_hand():
    ours = rates(segmentor(), 'amd_mm.LayerDecayConstructor',
                 layer_decay_rate=RATE)
    for name, depth in {
            'backbone.pos_embed': 0, 'backbone.cls_token': 0,
            'backbone.patch_embed.projection.weight': 0, 'backbone.layers.0.attn.qkv.weight': 1,
            'backbone.layers.3.ffn.layers.1.bias': 4, 'backbone.ln1.weight': 5,
            'neck.upsample_4x.0.weight': 5, 'decode_head.conv_seg.weight': 5}.items():
        assert ours[name][0] == pytest.approx(.5 * RATE**(5 - depth)), name


def test_groups_of_a_classifier_are_mmpretrains():
    model = MODELS.build(dict(
        type='mmpretrain.ImageClassifier',
        backbone=tiny_vits.pretraining_config('image')['backbone'],
        head=dict(type='mmpretrain.LinearClsHead', num_classes=3, in_channels=WIDTH)))
    assert rates(model, 'amd_mm.LayerDecayConstructor', layer_decay_rate=RATE) == rates(
        model, 'mmpretrain.LearningRateDecayOptimWrapperConstructor', layer_decay_rate=RATE)


def test_a_model_without_depths_is_refused():
    with pytest.raises(ValueError, match='backbone has get_layer_depth, got Linear'):
        LayerDecayConstructor(dict(optimizer=dict(type='SGD', lr=.1)), dict(layer_decay_rate=RATE))(
            nn.Linear(1, 1))
