# AMD's schedule, so that the two can be compared; published teachers trained much longer.
_base_ = [
    '../_base_/models/videomae.py',
    '../_base_/datasets/sthv2_videos.py',
    '../_base_/schedules/video_200e.py',
    '../_base_/default_runtime.py',
]

model = _base_.vit_base
