# Pre-training on Something-Something V2 extracted to frames; sampling as in sthv2_videos.py.
_base_ = './kinetics400_frames.py'
train_dataloader = dict(dataset=dict(dataset=dict(
    ann_file='data/sthv2/sthv2_train_list_rawframes.txt',
    data_prefix=dict(img='data/sthv2/rawframes'),
    pipeline=[
        dict(type='amd_mm.SampleEvenFrames', clip_len=16, frame_interval=2),
        dict(type='amd_mm.RawFrameDecode'),
    ])))
