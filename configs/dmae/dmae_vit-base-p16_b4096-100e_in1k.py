_base_ = [
    '../_base_/models/dmae.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/image_100e.py',
    '../_base_/default_runtime.py',
]

model = _base_.vit_base
