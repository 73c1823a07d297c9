# Something-Something V2, lists and folders as mmaction2 prepares them: one frame of each of 16
# segments, 2 clips x 3 crops in testing. No flip: the labels tell left from right.
_base_ = './kinetics400.py'

num_classes = 174
model = dict(
    cls_head=dict(num_classes=num_classes),
    data_preprocessor=dict(blending=dict(augments=[
        dict(_base_.mixup, num_classes=num_classes),
        dict(_base_.cutmix, num_classes=num_classes),
    ])))

# Where a flip is wanted all the same: the classes that then change places. Those are "pulling",
# "pushing" and "turning the camera" from left to right and back.
label_aware_flip = dict(
    type='mmaction.Flip',
    flip_ratio=0.5,
    flip_label_map={86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166})

videos = dict(video='data/sthv2/videos')
open_video = dict(type='amd_mm.PyAVInit')
decode_video = [
    dict(type='amd_mm.PyAVDecode'), dict(type='mmaction.Resize', scale=(-1, 256)),
]
train_dataloader = dict(
    dataset=dict(
        dataset=dict(
            ann_file='data/sthv2/sthv2_train_list_videos.txt',
            data_prefix=videos,
            num_classes=num_classes,
            pipeline=[
                open_video, dict(type='amd_mm.SampleSegmentFrames', clip_len=16), *decode_video,
            ]),
        pipeline=[*_base_.augmentation, *_base_.erasing]))
val_list = dict(
    ann_file='data/sthv2/sthv2_val_list_videos.txt', data_prefix=videos, num_classes=num_classes)
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            open_video,
            dict(type='amd_mm.SampleSegmentClips', clip_len=16, num_clips=1),
            *_base_.center_view,
        ],
        **val_list))
test_dataloader = dict(
    dataset=dict(
        pipeline=[
            open_video,
            dict(type='amd_mm.SampleSegmentClips', clip_len=16, num_clips=2),
            *_base_.three_views,
        ],
        **val_list))

# mmaction2's sampling: `train_dataloader = _base_.mmaction_train`, likewise `mmaction_test`.
mmaction_train = dict(dataset=dict(dataset=dict(pipeline=[
    open_video, dict(type='mmaction.UniformSample', clip_len=16), *decode_video])))
mmaction_test = dict(dataset=dict(pipeline=[
    open_video,
    dict(type='mmaction.UniformSample', clip_len=16, num_clips=2, test_mode=True),
    *_base_.three_views,
]))
