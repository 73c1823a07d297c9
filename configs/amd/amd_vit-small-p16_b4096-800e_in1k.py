# 800 epochs are AMD's (its model zoo); the rest of the schedule is MAE's: no other is published.
_base_ = [
    '../_base_/models/amd_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/image_800e.py',
    '../_base_/default_runtime.py',
]

model = _base_.vit_small
