# Data and schedule of every video recipe here: one schedule for all, so that methods compare.
_base_ = [
    '../../_base_/datasets/kinetics400_videos.py',
    '../../_base_/schedules/video_200e.py',
    '../../_base_/default_runtime.py',
]
