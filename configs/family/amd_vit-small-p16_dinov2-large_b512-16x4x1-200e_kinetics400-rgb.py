# AMD with a teacher of pictures, which sees every frame whole: its authors did not try that; what
# is layer-normalised, and all but the loss, is ours. DINOv2: by Meta AI, arXiv 2304.07193.
_base_ = ['../_base_/models/amd_video.py', './_base_/teachers.py', './_base_/on_kinetics400.py']

model = dict(
    teacher=dict(_delete_=True, taps=(12, 24), frames='first', **_base_.dinov2_large),
    mask_generator=dict(teacher_ratio=0.),
    neck=dict(direct=dict(normalize='layer_norm'), generation=dict(normalize='layer_norm')),
    **_base_.vit_small)
