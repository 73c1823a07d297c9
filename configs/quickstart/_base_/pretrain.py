# Pre-training on the moving digits without their labels: what teacher and students share.
# Videos are 36 pixels wide and 12 frames long; every decoded clip gives 4 samples.
_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/datasets/own_videos.py',
    '../../_base_/models/videomae.py',
    '../../_base_/schedules/adamw.py',
    './networks.py',
]

# Not VideoMAE's recipe at full size: a tube hides most of a digit's way through 4 x 4 places, and
# a normalised target makes networks this small learn the noise of flat backgrounds.
model = dict(
    mask_generator=dict(strategy='random', student_ratio=0.75),
    decoder=dict(embed_dims=64, depth=1, num_heads=2),
    head=dict(normalize=None))

train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    pin_memory=False,
    dataset=dict(
        dataset=dict(
            data_root='data/moving_digits',
            ann_file='pretrain.txt',
            data_prefix=dict(video=''),
            pipeline=[
                dict(type='amd_mm.PyAVInit'),
                dict(type='mmaction.SampleFrames', clip_len=8, frame_interval=1),
                dict(type='amd_mm.PyAVDecode'),
            ]),
        pipeline=[
            dict(type='mmaction.RandomCrop', size=32),
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))

# Videos an update; rates are given per 256.
global_batch_size = 8
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=6)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW', lr=0.064 * global_batch_size / 256, betas=(0.9, 0.95), weight_decay=0.05),
    paramwise_cfg=dict(
        flat_decay_mult=0., custom_keys=dict(mask_token=dict(decay_mult=0.))),
    clip_grad=dict(max_norm=1.))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, eta_min_ratio=0.01, convert_to_iter_based=True),
]
