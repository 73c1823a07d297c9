# Linear probing on ImageNet-1K, as the host does it for MAE's ViT-B: frozen encoder, class token.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb2048-linear-coslr-90e_in1k.py'

default_scope = None
model = dict(
    backbone=dict(type='amd_mm.ImageVisionTransformer'),
    neck=dict(type='mmpretrain.ClsBatchNormNeck'))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`.
vit_small = dict(
    backbone=dict(arch='deit-small'),
    neck=dict(input_features=384),
    head=dict(in_channels=384))
vit_base = dict(
    backbone=dict(arch='base'), neck=dict(input_features=768), head=dict(in_channels=768))

optim_wrapper = dict(
    dtype='bfloat16',
    loss_scale=dict(enabled=False),
    optimizer=dict(type='mmpretrain.LARS'))
auto_scale_lr = dict(base_batch_size=16384, enable=False)
custom_hooks = [
    dict(type='amd_mm.NonFiniteLossHook'),
    dict(type='amd_mm.EffectiveBatchHook'),
    dict(type='amd_mm.LabelRangeHook'),
    dict(type='amd_mm.ThroughputHook'),
]
