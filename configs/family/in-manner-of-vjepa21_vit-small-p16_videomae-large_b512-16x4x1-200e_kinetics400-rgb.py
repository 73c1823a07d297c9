# In the manner of V-JEPA 2.1's dense loss, published by Mur-Labadia et al. (Meta), arXiv
# 2603.14482, with code. There a predictor gives visible tokens too, a distance weighs them, and
# the teacher moves.
_base_ = ['./_base_/video_features.py', './_base_/dense.py', './_base_/on_kinetics400.py']

model = dict(
    backbone=_base_.vit_small.backbone,
    teacher=dict(
        type='amd_mm.FrozenTeacher',
        backbone=dict(**_base_.model.backbone, **_base_.vit_large.backbone),
        taps=(6, 12, 18, 24)),
    taps=(3, 6, 9, 12),
    mask_generator=dict(strategy=dict(_delete_=True, **_base_.long_range), teacher_ratio=0.),
    neck=_base_.dense)
