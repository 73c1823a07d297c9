# Linear probing on ImageNet-1K, as the host does it for MAE's ViT-B: frozen encoder, class token.
# MAE's where the host differs: pictures resized bicubically, and a LARS that leaves biases alone.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb2048-linear-coslr-90e_in1k.py'

default_scope = None
model = dict(
    # Frozen whatever its depth; the host's says 12 blocks.
    backbone=dict(type='amd_mm.ImageVisionTransformer', frozen=True, frozen_stages=-1),
    neck=dict(type='mmpretrain.ClsBatchNormNeck'))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`.
vit_small = dict(
    backbone=dict(arch='deit-small'),
    neck=dict(input_features=384),
    head=dict(in_channels=384))
vit_base = dict(
    backbone=dict(arch='base'), neck=dict(input_features=768), head=dict(in_channels=768))

bicubic = dict(scale=224, backend='pillow', interpolation='bicubic')
train_set = dict(
    _base_.train_dataloader.dataset,
    pipeline=[
        dict(type='amd_mm.LoadPicture'),
        dict(type='mmpretrain.RandomResizedCrop', **bicubic),
        dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
        dict(type='mmpretrain.PackInputs'),
    ])
val_pipeline = [
    dict(type='amd_mm.LoadPicture'),
    dict(type='mmpretrain.ResizeEdge', edge='short', **dict(bicubic, scale=256)),
    dict(type='mmpretrain.CenterCrop', crop_size=224),
    dict(type='mmpretrain.PackInputs'),
]
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = val_dataloader

# Images an update; the rate is 0.1 per 256 (MAE).
global_batch_size = 16384
train_dataloader = dict(
    # What a GPU holds; batches are accumulated up to global_batch_size.
    batch_size=2048,
    sampler=dict(_delete_=True, type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
    dataset=dict(
        _delete_=True,
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=train_set,
        pipeline=[]))
optim_wrapper = dict(
    dtype='bfloat16',
    loss_scale=dict(enabled=False),
    optimizer=dict(type='mmpretrain.LARS', lr=0.1 * global_batch_size / 256),
    # Neither trust ratio nor weight decay.
    paramwise_cfg=dict(custom_keys={'bias': dict(decay_mult=0., lars_exclude=True)}))
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(_delete_=True, type='amd_mm.EpochTrainLoop', max_epochs=90)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, end=10, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0., begin=10, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='amd_mm.NonFiniteLossHook'),
    dict(type='amd_mm.WorkDirLockHook'),
    dict(type='amd_mm.EffectiveBatchHook'),
    dict(type='amd_mm.BadSampleHook'),
    dict(type='amd_mm.LabelRangeHook'),
    dict(type='amd_mm.ThroughputHook'),
    dict(type='amd_mm.ReportHook'),
]
default_hooks = dict(checkpoint=dict(type='amd_mm.WholeCheckpointHook'))
# One seed for all: what a process draws in a step differs by its rank all the same.
randomness = dict(diff_rank_seed=False)
