"""Every pre-training recipe, at its full size, computes what the papers and their code say."""
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from recipes import ENCODERS, RECIPES, encoder_size

from amd_mm.registry import MODELS, TRANSFORMS
from amd_mm.resolved_config import effective
from amd_mm.tokens import TokenGrid

every_recipe = pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)

# Distance, normalisation, weight.
RAW_L2 = ('l2', None, 1.)
UNIT_L1 = ('l1', 'l2', 1.)
# Width, blocks, heads.
VIDEO_DECODERS = dict(small=(192, 4, 3), base=(384, 4, 6), large=(512, 4, 8))
IMAGE_DECODER = (512, 8, 16)
# One generator a pair of taps, of the teacher's width, 64 channels a head.
GENERATORS = [(1024, 2, 16)] * 2

# Strategy, ratios of student and teacher, and the tokens that they see.
MASKS = {
    'amd video': ('tube', .9, .75, 8 * 20, 8 * 49),
    'videomae video': ('tube', .9, .9, 8 * 20, 8 * 20),
    'amd image': ('random', .75, .5, 49, 98),
    'mae image': ('random', .75, .75, 49, 49),
    'dmae image': ('random', .75, .75, 49, 49),
    'dmae image visible10': ('random', None, None, 10, 10),
    'dmae image visible4': ('random', None, None, 4, 4),
}
# Target of the pixels.
TARGETS = {
    'amd video': 'token_channel',
    'videomae video': 'token_channel',
    'amd image': 'token',
    'mae image': 'token',
    'dmae image': None,
}
AMD = dict(
    student_taps=(6, 12), teacher_taps=(12, 24), projections=[(1024, False)] * 2,
    direct=RAW_L2, generation=RAW_L2, generators=GENERATORS, trains_mask_tokens=True,
    align_cls_token=False)
ALIGNMENTS = {
    'amd video': AMD,
    'amd image': AMD,
    'dmae image': dict(
        student_taps=(9, ), teacher_taps=(18, ), projections=[(1024, True)],
        direct=UNIT_L1, generation=None, generators=[], trains_mask_tokens=True,
        align_cls_token=True),
}
ALGORITHMS = dict(amd='amd_mm.AMD', dmae='amd_mm.AMD', mae='amd_mm.MaskedAutoencoder',
                  videomae='amd_mm.MaskedAutoencoder')
# What an encoder must be whatever its size. Positions are fixed and nothing is dropped.
PLAIN = dict(drop_rate=0., drop_path_rate=0., img_size=224, patch_size=16, in_channels=3,
             frozen=False)
ENCODER_KINDS = dict(
    video=dict(PLAIN, type='amd_mm.VideoVisionTransformer', num_frames=16, tubelet_size=2,
               mlp_ratio=4., qkv_bias=True, qk_scale=None, attn_drop_rate=0., init_values=0.,
               use_learnable_pos_emb=False, use_mean_pooling=False),
    image=dict(PLAIN, type='amd_mm.ImageVisionTransformer', final_norm=True,
               fixed_positions=True, frozen_stages=-1, out_type='cls_token'))
GRIDS = dict(video=TokenGrid((8, 14, 14), (2, 16, 16)), image=TokenGrid((14, 14), (16, 16)))
# Frames, and their distance; Something-Something's are spread evenly over a window.
CLIPS = {
    'kinetics400-rgb': ('amd_mm.SampleStridedFrames', 16, 4),
    'sthv2-rgb': ('amd_mm.SampleEvenFrames', 16, 2),
}


class Recipe:
    """A config and what its file's name says about it."""

    def __init__(self, path: Path) -> None:
        self.cfg = Config.fromfile(path)
        self.model = self.cfg.model
        self.method = path.parent.name
        _, network, *_, self.data = path.stem.split('_')
        self.size = network.split('-')[1]
        self.modality = 'image' if self.data == 'in1k' else 'video'
        self.kind = f'{self.method} {self.modality}'
        self.mask_kind = f'{self.kind} {network.partition("-p16-")[2]}'.strip()
        self.grid = GRIDS[self.modality]


recipe = cache(Recipe)


def transformer(blocks: torch.nn.ModuleList) -> tuple[int, int, int]:
    """Width, number and heads of some blocks."""
    attention = {(block.attn.embed_dims, block.attn.num_heads) for block in blocks}
    (width, heads), = attention
    return width, len(blocks), heads


def distance(loss: torch.nn.Module | None) -> tuple | None:
    return loss and (loss.distance, loss.normalize, loss.loss_weight)


@every_recipe
def test_encoders(path):
    this = recipe(path)
    encoders = {'backbone': this.model.backbone}
    assert encoder_size(this.model.backbone) == ENCODERS[this.size]
    assert this.model.type == ALGORITHMS[this.method]
    if this.kind in ALIGNMENTS:
        encoders['teacher'] = this.model.teacher.backbone
        assert this.model.teacher.type == 'amd_mm.FrozenTeacher'
        assert encoder_size(this.model.teacher.backbone) == (1024, 24, 16)
    for encoder in encoders.values():
        found, expected = effective(encoder), ENCODER_KINDS[this.modality]
        assert {key: found[key] for key in expected} == expected


@every_recipe
def test_masks(path):
    this = recipe(path)
    node = this.model.mask_generator
    masks = MODELS.build(node, default_args=dict(grid=this.grid))
    ratio = node.student_ratio
    found = (node.strategy, ratio, node.get('teacher_ratio', ratio), masks.num_visible,
             masks.num_visible + masks.num_extra)
    assert found == MASKS[this.mask_kind]


@every_recipe
def test_pixels(path):
    this = recipe(path)
    with torch.device('meta'):
        decoder = MODELS.build(this.model.decoder, default_args=dict(
            in_dims=ENCODERS[this.size][0], grid=this.grid, num_prefix_tokens=0,
            channels=3))
    expected = VIDEO_DECODERS[this.size] if this.modality == 'video' else IMAGE_DECODER
    assert transformer(decoder.blocks) == expected
    assert decoder.embed.out_features == expected[0]
    assert (decoder.embed.bias is None) == (this.modality == 'video')
    head = effective(this.model.head)
    assert head['loss'] == dict(type='amd_mm.PixelLoss', distance='l2', loss_weight=1.)
    assert head['normalize'] == TARGETS[this.kind]


@every_recipe
def test_alignment(path):
    this = recipe(path)
    expected = ALIGNMENTS.get(this.kind)
    if expected is None:
        assert not {'teacher', 'neck', 'taps'} & set(this.model)
        return
    with torch.device('meta'):
        neck = MODELS.build(this.model.neck, default_args=dict(
            student_dims=ENCODERS[this.size][0], teacher_dims=1024,
            num_pairs=len(this.model.taps), grid=this.grid))
    found = dict(
        student_taps=tuple(this.model.taps),
        teacher_taps=tuple(this.model.teacher.taps),
        projections=[(p.out_features, p.bias is not None) for p in neck.projections],
        direct=distance(neck.direct),
        generation=distance(neck.generation),
        generators=[transformer(generator.blocks) for generator in neck.generators],
        trains_mask_tokens=all(g.mask_token.requires_grad for g in neck.generators),
        align_cls_token=neck.align_cls_token)
    assert found == expected


@every_recipe
def test_samples(path):
    this = recipe(path)
    dataset = this.cfg.train_dataloader.dataset
    assert dataset.type == 'amd_mm.KeyedDataset'
    assert dataset.num_repeats == (4 if this.modality == 'video' else 1)
    transforms = {t.type: t for t in (*dataset.dataset.pipeline, *dataset.pipeline)}
    if this.modality == 'image':
        assert transforms['mmpretrain.RandomResizedCrop'].scale == 224
        return
    clips = [(name, t.clip_len, t.frame_interval) for name, t in transforms.items()
             if 'clip_len' in t]
    assert clips == [CLIPS[this.data]]
    assert not any('Flip' in name for name in transforms)
    crop = TRANSFORMS.build(transforms['amd_mm.MultiScaleCrop'])
    assert (tuple(crop.scales), crop.num_fixed_crops, crop.max_wh_scale_gap,
            crop.random_crop) == ((1, .875, .75, .66), 13, 1, False)
    resize = transforms['amd_mm.ResizeClip']
    assert tuple(resize.scale) == (224, 224) and 'keep_ratio' not in resize
