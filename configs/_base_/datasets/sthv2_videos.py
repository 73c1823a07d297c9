# Pre-training on Something-Something V2: 16 frames evenly spaced over a window of 32. No flip,
# here or when fine-tuning: its labels tell left from right.
_base_ = './own_videos.py'
train_dataloader = dict(dataset=dict(dataset=dict(
    ann_file='data/sthv2/sthv2_train_list_videos.txt',
    data_prefix=dict(video='data/sthv2/videos'),
    pipeline=[
        dict(type='amd_mm.PyAVInit'),
        dict(type='amd_mm.SampleEvenFrames', clip_len=16, frame_interval=2),
        dict(type='amd_mm.PyAVDecode'),
    ])))
