# TinyMIM: published by Ren et al., arXiv 2301.01296, with code. Nothing is masked; the attention of
# the last blocks and the relations of their values are compared, class token included.
_base_ = ['./_base_/image_features.py', './_base_/on_imagenet.py']

model = dict(
    teacher=dict(
        type='amd_mm.FrozenTeacher',
        backbone=dict(**_base_.model.backbone, **_base_.vit_base.backbone),
        taps=(12, )),
    taps=(12, ),
    mask_generator=dict(student_ratio=0.),
    neck=dict(
        type='amd_mm.RelationNeck',
        relations=['qk', 'vv'],
        align_cls_token=True,
        loss=dict(type='amd_mm.RelationLoss', loss_weight=1.)),
    **_base_.vit_small)
