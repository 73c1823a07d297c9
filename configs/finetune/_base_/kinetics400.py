# Kinetics-400, lists and folders as mmaction2 prepares them: dense sampling of 16 frames over 64,
# two repeats of a decoded clip in training, 5 clips x 3 crops in testing.
_base_ = './video.py'

num_classes = 400
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(augments=[
        dict(_base_.mixup, num_classes=num_classes),
        dict(_base_.cutmix, num_classes=num_classes),
    ])))

train_videos = dict(
    type='amd_mm.VideoDataset',
    ann_file='data/kinetics400/kinetics400_train_list_videos.txt',
    data_prefix=dict(video='data/kinetics400/videos_train'),
    need_labels=True,
    num_classes=num_classes,
    pipeline=[
        dict(type='amd_mm.PyAVInit'),
        dict(type='amd_mm.SampleEvenFrames', clip_len=16, frame_interval=4),
        dict(type='amd_mm.PyAVDecode'),
        dict(type='mmaction.Resize', scale=(-1, 256)),
    ])
val_videos = dict(
    type='amd_mm.VideoDataset',
    ann_file='data/kinetics400/kinetics400_val_list_videos.txt',
    data_prefix=dict(video='data/kinetics400/videos_val'),
    need_labels=True,
    num_classes=num_classes,
    test_mode=True)
# What a picture looks like after the frames were chosen, one crop and three.
center_view = [
    dict(type='amd_mm.PyAVDecode'),
    dict(type='mmaction.Resize', scale=(-1, 224)),
    dict(type='mmaction.CenterCrop', crop_size=224),
    dict(type='mmaction.FormatShape', input_format='NCTHW'),
    dict(type='mmaction.PackActionInputs'),
]
three_views = [
    dict(type='amd_mm.PyAVDecode'),
    dict(type='mmaction.Resize', scale=(-1, 224)),
    dict(type='mmaction.ThreeCrop', crop_size=224),
    dict(type='mmaction.FormatShape', input_format='NCTHW'),
    dict(type='mmaction.PackActionInputs'),
]
middle_clip = dict(
    type='amd_mm.SampleStridedClips', clip_len=16, frame_interval=4, num_clips=1)
# mmaction2's test clips: `test_dataloader = _base_.mmaction_test`.
mmaction_test = dict(dataset=dict(pipeline=[
    dict(type='amd_mm.PyAVInit'),
    dict(type='mmaction.SampleFrames', clip_len=16, frame_interval=4, num_clips=5,
         test_mode=True, out_of_bound_opt='repeat_last'),
    *three_views,
]))

# What happens to a training clip; the flip has its own name, because not every label survives it.
augmentation = [
    # rand-m7-n4-mstd0.5-inc1
    dict(type='amd_mm.ClipRandAugment', num_ops=4, magnitude=7, magnitude_std=0.5),
    dict(type='mmaction.RandomResizedCrop'),
    dict(type='mmaction.Resize', scale=(224, 224), keep_ratio=False),
]
flip = dict(type='mmaction.Flip', flip_ratio=0.5)
erasing = [
    dict(
        type='mmaction.RandomErasing',
        erase_prob=0.25,
        mode='rand',
        fill_color=(123.675, 116.28, 103.53),
        fill_std=(58.395, 57.12, 57.375)),
    dict(type='mmaction.FormatShape', input_format='NCTHW'),
    dict(type='mmaction.PackActionInputs'),
]

train_dataloader = dict(
    # What a GPU holds; batches are accumulated up to global_batch_size.
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
    dataset=dict(
        type='amd_mm.KeyedDataset',
        num_repeats=2,
        dataset=train_videos,
        pipeline=[*augmentation, flip, *erasing]))
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        pipeline=[dict(type='amd_mm.PyAVInit'), middle_clip, *center_view], **val_videos))
test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        pipeline=[
            dict(type='amd_mm.PyAVInit'), dict(middle_clip, num_clips=5), *three_views,
        ],
        **val_videos))
