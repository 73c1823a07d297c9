# With a flip that swaps the labels of left and right.
_base_ = './vit-small-p16_sthv2-amd-pre_16xb16-u16-40e_sthv2-rgb.py'

pipeline = _base_.train_dataloader.dataset.pipeline
train_dataloader = dict(
    dataset=dict(pipeline=[*pipeline[:3], _base_.label_aware_flip, *pipeline[3:]]))
