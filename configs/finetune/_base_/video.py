# Fine-tuning on clips, whatever the data: the released command lines of AMD and VideoMAE.
_base_ = '../../_base_/default_runtime.py'

model = dict(
    type='mmaction.Recognizer3D',
    backbone=dict(
        type='amd_mm.VideoVisionTransformer',
        img_size=224,
        patch_size=16,
        num_frames=16,
        tubelet_size=2,
        drop_path_rate=0.1,
        # True: recompute blocks in the backward pass, for smaller devices.
        with_cp=False,
        init_cfg=dict(type='Pretrained', prefix='backbone.')),
    cls_head=dict(
        type='mmaction.TimeSformerHead',
        # VideoMAE's deviation 0.02 times its head scale of 1e-3.
        init_std=2e-5,
        label_smooth_eps=0.1,
        average_clips='prob'),
    data_preprocessor=dict(
        type='mmaction.ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW',
        blending=dict(type='mmaction.RandomBatchAugment')))
# A data set says `augments=[dict(_base_.mixup, num_classes=...), dict(_base_.cutmix, ...)]`.
mixup = dict(type='mmaction.MixupBlending', alpha=0.8)
cutmix = dict(type='mmaction.CutmixBlending', alpha=1.0)
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`.
vit_small = dict(
    backbone=dict(embed_dims=384, depth=12, num_heads=6), cls_head=dict(in_channels=384))
vit_base = dict(
    backbone=dict(embed_dims=768, depth=12, num_heads=12), cls_head=dict(in_channels=768))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),
    optimizer=dict(type='AdamW', betas=(0.9, 0.999), weight_decay=0.05),
    # The host's: no weight decay on 1-D tensors; num_layers is the network's depth.
    constructor='mmaction.LearningRateDecayOptimizerConstructor',
    paramwise_cfg=dict(decay_rate=0.75, decay_type='layer_wise', num_layers=12))

train_cfg = dict(type='amd_mm.EpochTrainLoop', val_interval=5)
# A recipe says `param_scheduler = [_base_.warm_up, dict(_base_.cosine, eta_min_ratio=...)]`. The
# released code starts from 0 (its --warmup_lr is never passed on).
warm_up = dict(type='LinearLR', start_factor=1e-6, end=5, convert_to_iter_based=True)
cosine = dict(type='CosineAnnealingLR', begin=5, convert_to_iter_based=True)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
val_evaluator = dict(type='mmaction.AccMetric')
test_evaluator = val_evaluator
default_hooks = dict(
    checkpoint=dict(type='amd_mm.WholeCheckpointHook', save_best='acc/top1'))
