# Pre-training on ImageNet-1K, in folders as mmpretrain expects them.
_base_ = './own_images.py'
train_dataloader = dict(dataset=dict(dataset=dict(
    _delete_=True,
    type='mmpretrain.ImageNet',
    data_root='data/imagenet',
    split='train',
    pipeline=[dict(type='amd_mm.LoadPicture')])))
