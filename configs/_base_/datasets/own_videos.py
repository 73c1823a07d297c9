# Pre-training on all videos below a folder, or on a list of them (ann_file).
# A decoded clip of 16 frames, every 4th, gives 4 samples, each with its own crop.
# Pictures leave here as uint8 RGB; mmaction.ActionDataPreprocessor normalises on the device.
#
# Another decoder: DecordInit and DecordDecode, or OpenCVInit and OpenCVDecode, in place of PyAVInit
# and PyAVDecode. All give the same frames (docs/inputs.md); PyAV is the fastest and holds no memory
# back (docs/performance.md).
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
        num_repeats=4,
        dataset=dict(
            type='amd_mm.VideoDataset',
            ann_file='',
            data_prefix=dict(video='data/videos'),
            pipeline=[
                dict(type='amd_mm.PyAVInit'),
                dict(type='amd_mm.SampleStridedFrames', clip_len=16, frame_interval=4),
                dict(type='amd_mm.PyAVDecode'),
            ]),
        pipeline=[
            dict(type='amd_mm.MultiScaleCrop'),
            dict(type='amd_mm.ResizeClip', scale=(224, 224)),
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))
