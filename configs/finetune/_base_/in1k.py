# ImageNet-1K. The host's recipe for MAE's ViT-B is DMAE's too (base rate 5e-4 per 256, mixup 0.8,
# cutmix 1.0, random erasing 0.25); for AMD's students and ViT-S no other is published.
_base_ = 'mmpretrain::mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py'

default_scope = None
model = dict(
    backbone=dict(type='amd_mm.ImageVisionTransformer', fixed_positions=False),
    head=dict(type='mmpretrain.LinearClsHead'))
# A recipe says `model = _base_.vit_small` or `model = _base_.vit_base`.
vit_small = dict(backbone=dict(arch='deit-small'), head=dict(in_channels=384))
vit_base = dict(backbone=dict(arch='base'), head=dict(in_channels=768))

optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    loss_scale=dict(enabled=False),
    constructor='mmpretrain.LearningRateDecayOptimWrapperConstructor')
custom_hooks = [
    dict(type='amd_mm.NonFiniteLossHook'),
    dict(type='amd_mm.EffectiveBatchHook'),
    dict(type='amd_mm.LabelRangeHook'),
    dict(type='amd_mm.ThroughputHook'),
]
default_hooks = dict(checkpoint=dict(save_best='accuracy/top1'))
