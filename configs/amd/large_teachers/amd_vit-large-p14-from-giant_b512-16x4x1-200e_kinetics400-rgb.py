# A ViT-L from VideoMAE V2's ViT-g, both shared out over the GPUs.
_base_ = [
    './amd_vit-base-p14-from-giant_b512-16x4x1-200e_kinetics400-rgb.py',
    '../../_base_/sharded.py',
]

model = dict(taps=(12, 24), **_base_.vit_large)
