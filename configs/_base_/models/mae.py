# MAE, without the size of the network: arXiv 2111.06377.
_base_ = './image_vits.py'

model = dict(
    type='amd_mm.MaskedAutoencoder',
    # Not mmpretrain's SelfSupDataPreprocessor: to it a list of pictures, as our data sets give,
    # is a list of views.
    data_preprocessor=dict(
        type='mmengine.ImgDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(type='amd_mm.ImageVisionTransformer', img_size=224, patch_size=16),
    mask_generator=dict(
        type='amd_mm.AsymmetricMaskGenerator', strategy='random', student_ratio=0.75),
    decoder=dict(type='amd_mm.PixelDecoder', embed_dims=512, depth=8, num_heads=16),
    head=dict(
        type='amd_mm.PixelHead',
        normalize='token',
        loss=dict(type='amd_mm.PixelLoss', distance='l2', loss_weight=1.)))
