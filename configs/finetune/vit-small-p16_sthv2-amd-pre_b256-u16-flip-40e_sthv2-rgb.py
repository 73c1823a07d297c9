# With a flip that swaps the labels of left and right.
_base_ = './vit-small-p16_sthv2-amd-pre_b256-u16-40e_sthv2-rgb.py'

train_dataloader = dict(dataset=dict(
    pipeline=[*_base_.augmentation, _base_.label_aware_flip, *_base_.erasing]))
