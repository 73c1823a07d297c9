"""Tiny AMD and DMAE with the golden weights of ``tests/data/losses.npz``.

The numbers come from a plain restatement of the algorithms that was checked against the
authors' released code; ``tests/data/make_losses.py`` makes them again.
"""
import re
from functools import cache
from pathlib import Path

import numpy as np
import torch
from losses import AMD_NECK, UNIT_L1, pixel_head
from torch import Tensor, nn

from amd_mm.registry import MODELS

DATA = Path(__file__).parents[1] / 'data' / 'losses.npz'
# ImageNet statistics on the 0-255 scale, as data preprocessors take them.
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@cache
def _archive() -> dict[str, Tensor]:
    with np.load(DATA) as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive}


def golden(prefix: str) -> dict[str, Tensor]:
    """Arrays whose names begin with ``prefix``, without it."""
    return {k[len(prefix):]: v.clone() for k, v in _archive().items() if k.startswith(prefix)}


VIDEO_NAMES = [
    (r'^encoder_to_decoder\.', 'decoder.embed.'),
    (r'^mask_token$', 'decoder.mask_token'),
    (r'^encoder\.projection_heads\.', 'neck.projections.'),
    (r'^encoder\.', 'backbone.'),
    (r'^generators\.', 'neck.generators.'),
    (r'^generator_mask_tokens\.(\d+)$', r'neck.generators.\1.mask_token'),
    (r'patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'mlp\.fc1\.', 'mlp.layers.0.0.'),
    (r'mlp\.fc2\.', 'mlp.layers.1.'),
]
IMAGE_NAMES = [
    (r'^aligned_feature_projection_heads\.', 'neck.projections.'),
    (r'^decoder_embed\.', 'decoder.embed.'),
    (r'^mask_token$', 'decoder.mask_token'),
    (r'^decoder_pos_embed$', 'decoder.pos_embed'),
    (r'^decoder_blocks\.', 'decoder.blocks.'),
    (r'^decoder_norm\.', 'decoder.norm.'),
    (r'^decoder_pred\.', 'decoder.head.'),
    (r'^norm\.', 'backbone.ln1.'),
    (r'^(cls_token|pos_embed|patch_embed|blocks)', r'backbone.\1'),
    (r'patch_embed\.proj\.', 'patch_embed.projection.'),
    (r'backbone\.blocks\.', 'backbone.layers.'),
    (r'\.norm([12])\.', r'.ln\1.'),
    (r'mlp\.fc1\.', 'ffn.layers.0.0.'),
    (r'mlp\.fc2\.', 'ffn.layers.1.'),
]


def renamed(name: str, table: list) -> str:
    for pattern, ours in table:
        name = re.sub(pattern, ours, name)
    return name


def load(module: nn.Module, weights: dict[str, Tensor], table: list) -> None:
    """Fills all of ``module`` from golden weights."""
    targets = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    values = {renamed(name, table): value for name, value in weights.items()}
    missing = set(dict(module.named_parameters())) - set(values)
    assert not missing, missing
    for name, value in values.items():
        targets[name].data.copy_(value)


def amd_video_config(neck: dict | None = None) -> dict:
    """The golden AMD: width 24 from width 32, taps (2, 4) and (3, 6) of 4 and 6 blocks."""
    size = dict(img_size=32, patch_size=8, num_frames=8, use_mean_pooling=False)
    return dict(
        type='amd_mm.AMD',
        data_preprocessor=dict(
            type='mmaction.ActionDataPreprocessor', mean=MEAN, std=STD, format_shape='NCTHW'),
        backbone=dict(type='amd_mm.VideoVisionTransformer', embed_dims=24, depth=4,
                      num_heads=3, **size),
        teacher=dict(
            type='amd_mm.FrozenTeacher', taps=(3, 6), checkpoint=None,
            backbone=dict(type='amd_mm.VideoVisionTransformer', embed_dims=32, depth=6,
                          num_heads=4, **size)),
        taps=(2, 4),
        mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', strategy='tube',
                            student_ratio=0.9, teacher_ratio=0.75),
        neck=dict(AMD_NECK, **(neck or {})),
        decoder=dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=2, num_heads=2),
        head=pixel_head('token_channel'))


def amd_video(neck: dict | None = None, **changes) -> nn.Module:
    """The golden AMD, or it with some settings of the neck or the whole changed."""
    return MODELS.build({**amd_video_config(neck), **changes})


def dmae_image(normalize: str | None, **changes) -> nn.Module:
    """The golden DMAE: width 24 from width 32, tap 3 of 4 and 6 of 8 blocks."""
    def vit(dims: int, depth: int, heads: int) -> dict:
        return dict(type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=8, arch=dict(
            embed_dims=dims, num_layers=depth, num_heads=heads, feedforward_channels=4 * dims))

    config = dict(
        type='amd_mm.AMD',
        data_preprocessor=dict(type='mmpretrain.SelfSupDataPreprocessor', mean=MEAN, std=STD),
        backbone=vit(24, 4, 3),
        teacher=dict(type='amd_mm.FrozenTeacher', taps=(6, ), checkpoint=None,
                     backbone=vit(32, 8, 4)),
        taps=(3, ),
        mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', strategy='random',
                            student_ratio=0.75),
        neck=dict(
            type='amd_mm.AlignmentNeck', projection_bias=True, align_cls_token=True,
            direct=UNIT_L1,
            generation=None),
        decoder=dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=2, num_heads=4),
        head=pixel_head(normalize))
    return MODELS.build({**config, **changes})


def load_golden(model: nn.Module) -> nn.Module:
    """Student and teacher of the two models above with the golden weights."""
    video = model.backbone.grid.is_video
    name, table = ('amd', VIDEO_NAMES) if video else ('dmae', IMAGE_NAMES)
    load(model, golden(f'{name}.student.'), table)
    weights = golden(f'{name}.teacher.')
    if video:
        weights = {f'encoder.{k}': v for k, v in weights.items()}
    else:
        read = re.compile(r'cls_token|pos_embed|patch_embed|blocks\.[0-5]\.')
        weights = {k: v for k, v in weights.items() if read.match(k)}
    load(model.teacher, weights, table)
    return model
