# Pre-training on all images below a folder. The crops are those of MAE (arXiv 2111.06377).
# Pictures leave here as uint8 BGR: mmengine.ImgDataPreprocessor with bgr_to_rgb=True.
train_dataloader = dict(
    # What a GPU holds; batches are accumulated up to global_batch_size.
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
    dataset=dict(
        type='amd_mm.KeyedDataset',
        num_repeats=1,
        dataset=dict(
            type='amd_mm.PictureDataset',
            data_prefix='data/images',
            with_label=False,
            pipeline=[dict(type='amd_mm.LoadPicture')]),
        pipeline=[
            dict(
                type='mmpretrain.RandomResizedCrop',
                scale=224,
                crop_ratio_range=(0.2, 1.0),
                backend='pillow',
                interpolation='bicubic'),
            dict(type='mmpretrain.RandomFlip', prob=0.5),
            dict(type='mmpretrain.PackInputs'),
        ]))
