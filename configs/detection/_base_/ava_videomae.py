# AVA 2.2 as VideoMAE's own detection code has it (MCG-NJU/VideoMAE-Action-Detection); AMD has no
# code for it. Files, data set and backbone: ava.py. What differs: docs/detection.md.
_base_ = './ava.py'

model = dict(
    backbone=dict(drop_path_rate=0.2),
    roi_head=dict(
        bbox_roi_extractor=dict(
            _delete_=True,
            type='amd_mm.MovingRoIExtractor',
            jitter=(0.2, 0.1, 0.1, 0.05),
            enlarge=(0.1, 0.05),
            roi_layer_type='RoIAlign',
            output_size=7,
            aligned=False,
            with_temporal_pool=True),
        bbox_head=dict(dropout_ratio=0.)),
    data_preprocessor=dict(mean=[122.7717, 115.9465, 102.9801], std=[57.375, 57.375, 57.375]),
    train_cfg=dict(rcnn=dict(
        # Annotated boxes alone: no proposal overlaps one that much, and none is a negative.
        assigner=dict(pos_iou_thr=2., neg_iou_thr=2., min_pos_iou=2.),
        sampler=dict(num=100, neg_pos_ub=0))))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`.

# How frames are read and chosen, and what happens to the pictures.
choose_frames = dict(type='amd_mm.SampleKeyFrameClip', clip_len=16, frame_interval=4)
augmentation = [
    dict(type='mmaction.Resize', scale=(-1, 256)),
    dict(type='mmaction.RandomCrop', size=224),
    dict(type='amd_mm.ClipHSVJitter', hue=20., saturation=0.1, value=0.1),
    dict(type='mmaction.Flip', flip_ratio=0.5),
]
pack = [
    dict(type='mmaction.FormatShape', input_format='NCTHW', collapse=True),
    dict(type='mmaction.PackActionInputs'),
]
from_frames = [choose_frames, dict(type='amd_mm.RawFrameDecode')]
from_videos = [
    dict(type='amd_mm.PyAVInit'), choose_frames, dict(type='amd_mm.PyAVDecode')]
whole_picture = dict(type='mmaction.Resize', scale=(-1, 256))
train_dataloader = dict(
    batch_size=4, dataset=dict(dataset=dict(pipeline=[*from_frames, *augmentation, *pack])))
val_dataloader = dict(dataset=dict(
    person_det_score_thr=0.8, pipeline=[*from_frames, whole_picture, *pack]))
test_dataloader = val_dataloader
# The videos themselves: a recipe says `train_dataloader = _base_.train_videos` and
# `val_dataloader = _base_.val_videos`.
train_videos = dict(dataset=dict(dataset=dict(pipeline=[*from_videos, *augmentation, *pack])))
val_videos = dict(dataset=dict(pipeline=[*from_videos, whole_picture, *pack]))

# Clips an update; rates are given per 256.
global_batch_size = 128
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
optim_wrapper = dict(optimizer=dict(betas=(0.9, 0.999)), clip_grad=None)
train_cfg = dict(max_epochs=30, val_interval=10)
# A recipe says `param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=...)]`. The
# code starts from 0.
warm_up = dict(type='LinearLR', start_factor=1e-6, end=5, convert_to_iter_based=True)
cosine = dict(type='CosineAnnealingLR', begin=5, convert_to_iter_based=True)
