# ImageNet-1K, the host's recipe for MAE's ViT-B (MAE's released values: layer decay 0.65, drop path
# 0.1, 5 epochs of warm-up); for AMD's students and ViT-S no other is published.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py'

default_scope = None
model = dict(
    backbone=dict(type='amd_mm.ImageVisionTransformer', fixed_positions=False),
    head=dict(type='mmpretrain.LinearClsHead'))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`.
vit_small = dict(backbone=dict(arch='deit-small'), head=dict(in_channels=384))
vit_base = dict(backbone=dict(arch='base'), head=dict(in_channels=768))

# The host's pipelines with our way to read a file.
train_pipeline = [dict(type='amd_mm.LoadPicture'), *(
    step for step in _base_.train_pipeline if step['type'] != 'LoadImageFromFile')]
test_pipeline = [dict(type='amd_mm.LoadPicture'), *(
    step for step in _base_.test_pipeline if step['type'] != 'LoadImageFromFile')]
val_dataloader = test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Images an update; rates are given per 256.
global_batch_size = 1024
train_dataloader = dict(
    # What a GPU holds; batches are accumulated up to global_batch_size.
    batch_size=128,
    sampler=dict(_delete_=True, type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
    dataset=dict(
        _delete_=True,
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(_base_.train_dataloader.dataset, pipeline=train_pipeline),
        pipeline=[]))
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),
    optimizer=dict(lr=5e-4 * global_batch_size / 256),
    constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor')
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(_delete_=True, type='amd_mm.EpochTrainLoop', max_epochs=100)
cosine = dict(type='CosineAnnealingLR', eta_min=1e-6, convert_to_iter_based=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-4, end=5, convert_to_iter_based=True),
    dict(cosine, begin=5),
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
default_hooks = dict(
    checkpoint=dict(type='amd_mm.WholeCheckpointHook', save_best='accuracy/top1'))
# One seed for all: what a process draws in a step differs by its rank all the same.
randomness = dict(diff_rank_seed=False)
