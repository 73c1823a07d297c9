# CIFAR-10 out of a package (tools/data/cifar10_from_package.py), the networks, and how they train.
# Pictures of 32 x 32 pixels, 8 x 8 tokens; a student of 1.2 million weights.
_base_ = '../../_base_/default_runtime.py'

picture = dict(type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=4)
student_vit = dict(
    arch=dict(embed_dims=128, num_layers=6, num_heads=4, feedforward_channels=512), **picture)
teacher_vit = dict(
    arch=dict(embed_dims=192, num_layers=9, num_heads=3, feedforward_channels=768), **picture)

pictures = dict(type='amd_mm.PictureDataset', data_root='data/cifar10', data_prefix='')
crop = [
    dict(type='mmpretrain.RandomCrop', crop_size=32, padding=4, padding_mode='reflect'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.PackInputs'),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'))
global_batch_size = 64
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(type='amd_mm.EpochTrainLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=2, eta_min_ratio=0.01, convert_to_iter_based=True),
]
