# Fine-tuning on the labelled part of the moving digits, with the host's recogniser and data set.
_base_ = ['../../_base_/default_runtime.py', './networks.py']

model = dict(
    type='mmaction.Recognizer3D',
    data_preprocessor=dict(
        type='mmaction.ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='amd_mm.VideoVisionTransformer',
        init_cfg=dict(type='Pretrained', prefix='backbone.')),
    cls_head=dict(type='mmaction.TimeSformerHead', num_classes=8, average_clips='prob'))

train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
    dataset=dict(
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(
            type='mmaction.VideoDataset',
            data_root='data/moving_digits',
            ann_file='train.txt',
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
test_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmaction.VideoDataset',
        test_mode=True,
        data_root='data/moving_digits',
        ann_file='test.txt',
        data_prefix=dict(video=''),
        pipeline=[
            dict(type='amd_mm.PyAVInit'),
            dict(type='mmaction.SampleFrames', clip_len=8, frame_interval=1, test_mode=True),
            dict(type='amd_mm.PyAVDecode'),
            dict(type='mmaction.CenterCrop', crop_size=32),
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))
test_evaluator = dict(type='mmaction.AccMetric')
test_cfg = dict()

# Videos an update; rates are given per 256.
global_batch_size = 32
auto_scale_lr = dict(base_batch_size=global_batch_size, enable=False)
train_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=10)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=0.016 * global_batch_size / 256, weight_decay=0.05),
    paramwise_cfg=dict(flat_decay_mult=0.),
    clip_grad=dict(max_norm=5.))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=1, eta_min_ratio=0.01, convert_to_iter_based=True),
]
