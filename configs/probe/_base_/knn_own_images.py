# Nearest neighbours on one's own data/own_images/{train,val}/CLASS/...
# python tools/test.py CONFIG STUDENT.pth
_base_ = ['./linear_own_images.py', './neighbours.py']

model = dict(
    _delete_=True,
    backbone=_base_.picture_encoder,
    gallery=dict(
        _base_.gallery_loader,
        dataset=dict(data_prefix='train', pipeline=_base_.val_pipeline, **_base_.pictures)),
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', **_base_.data_preprocessor),
    **_base_.neighbours)
