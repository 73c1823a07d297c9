# VideoMAE, without the size of the network: arXiv 2203.12602.
_base_ = './video_vits.py'

model = dict(
    type='amd_mm.MaskedAutoencoder',
    data_preprocessor=dict(
        type='mmaction.ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='amd_mm.VideoVisionTransformer',
        img_size=224,
        patch_size=16,
        num_frames=16,
        tubelet_size=2,
        # The pooling norm is fine-tuning's.
        use_mean_pooling=False),
    mask_generator=dict(
        type='amd_mm.AsymmetricMaskGenerator', strategy='tube', student_ratio=0.9),
    decoder=dict(type='amd_mm.PixelDecoder', depth=4),
    head=dict(
        type='amd_mm.PixelHead',
        normalize='token_channel',
        loss=dict(type='amd_mm.PixelLoss', distance='l2', loss_weight=1.)))
