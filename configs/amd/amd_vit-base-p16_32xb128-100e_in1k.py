# The schedule is DMAE's; the paper gives none for images.
_base_ = [
    '../_base_/models/amd_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/schedules/image_100e.py',
    '../_base_/default_runtime.py',
]

model = _base_.vit_base
train_dataloader = dict(batch_size=128)
