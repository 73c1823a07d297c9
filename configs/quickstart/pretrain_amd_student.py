# AMD: the same student, distilled from the teacher. Its features are layer-normalised: raw, their
# loss is tens of times that of the pixels.
# Which teacher: --cfg-options model.teacher.checkpoint=FILE
_base_ = './_base_/pretrain.py'

alignment = dict(
    type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize='layer_norm', loss_weight=1.)
model = dict(
    type='amd_mm.AMD',
    backbone=_base_.student_vit,
    taps=(2, 4),
    teacher=dict(
        type='amd_mm.FrozenTeacher',
        backbone=dict(
            type='amd_mm.VideoVisionTransformer', use_mean_pooling=False, **_base_.teacher_vit),
        taps=(3, 6)),
    mask_generator=dict(teacher_ratio=0.5),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        direct=alignment,
        generation=alignment,
        generator_depth=1))
