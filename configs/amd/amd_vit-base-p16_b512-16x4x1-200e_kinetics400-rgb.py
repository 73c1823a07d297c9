_base_ = [
    '../_base_/models/amd_video.py',
    '../_base_/datasets/kinetics400_videos.py',
    '../_base_/schedules/video_200e.py',
    '../_base_/default_runtime.py',
]

model = _base_.vit_base
