# Nearest neighbours on ImageNet-1K.
# python tools/test.py CONFIG STUDENT.pth
_base_ = ['./linear_in1k.py', './neighbours.py']

model = dict(
    _delete_=True,
    backbone=_base_.picture_encoder,
    gallery=dict(
        _base_.gallery_loader,
        dataset=dict(
            type='mmpretrain.ImageNet',
            data_root='data/imagenet',
            split='train',
            pipeline=_base_.val_pipeline)),
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', **_base_.data_preprocessor),
    **_base_.neighbours)
test_dataloader = dict(batch_size=256)
