# Data and schedule of every image recipe here: one schedule for all, so that methods compare.
_base_ = [
    '../../_base_/datasets/imagenet.py',
    '../../_base_/schedules/image_100e.py',
    '../../_base_/default_runtime.py',
]
