# Nearest neighbours on ImageNet-1K: nothing is trained. The gallery is the training set; vote of
# 20 neighbours at temperature 0.07, the usual protocol (arXiv 1805.01978, 2104.14294).
# python tools/test.py CONFIG STUDENT.pth
_base_ = './linear_in1k.py'

gallery = dict(
    batch_size=256,
    num_workers=8,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmpretrain.ImageNet',
        data_root='data/imagenet',
        split='train',
        pipeline=_base_.val_pipeline))
model = dict(
    _delete_=True,
    type='amd_mm.NearestNeighbours',
    backbone=dict(type='amd_mm.ImageVisionTransformer', img_size=224, patch_size=16),
    gallery=gallery,
    k=20,
    temperature=0.07,
    data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', **_base_.data_preprocessor))
test_dataloader = dict(batch_size=256)
