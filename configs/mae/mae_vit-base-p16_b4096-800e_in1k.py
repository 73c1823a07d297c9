_base_ = [
    '../_base_/models/mae.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/image_800e.py',
    '../_base_/default_runtime.py',
]

model = _base_.vit_base
