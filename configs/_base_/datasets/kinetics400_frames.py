# Pre-training on Kinetics-400 extracted to frames, as mmaction2 prepares it.
_base_ = './own_videos.py'
train_dataloader = dict(dataset=dict(dataset=dict(
    _delete_=True,
    type='amd_mm.RawframeDataset',
    ann_file='data/kinetics400/kinetics400_train_list_rawframes.txt',
    data_prefix=dict(img='data/kinetics400/rawframes_train'),
    pipeline=[
        dict(type='amd_mm.SampleStridedFrames', clip_len=16, frame_interval=4),
        dict(type='amd_mm.RawFrameDecode'),
    ])))
