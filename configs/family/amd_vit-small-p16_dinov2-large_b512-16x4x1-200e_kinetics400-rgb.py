# AMD (Zhao et al., arXiv 2311.03149) with a teacher of pictures, which its authors did not try:
# DINOv2, by Meta AI, arXiv 2304.07193. It sees frames whole; targets are layer-normalised: ours.
_base_ = ['../_base_/models/amd_video.py', './_base_/teachers.py', './_base_/on_kinetics400.py']

model = dict(
    teacher=dict(_delete_=True, taps=(12, 24), frames='first', **_base_.dinov2_large),
    mask_generator=dict(teacher_ratio=0.),
    neck=dict(direct=dict(normalize='layer_norm'), generation=dict(normalize='layer_norm')),
    **_base_.vit_small)
