# AMD on images, without the student's size. The paper has results and no code for images:
# the teacher's ratio, the student's (as in MAE; clips have 0.9) and the class token, which both
# encoders have and no alignment compares, are our choices. The rest is as for clips.
_base_ = './mae_teacher.py'

model = dict(
    teacher=dict(taps=(12, 24)),
    taps=(6, 12),
    mask_generator=dict(student_ratio=0.75, teacher_ratio=0.5),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        # Raw features, as released.
        direct=dict(
            type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize=None, loss_weight=1.),
        generation=dict(
            type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize=None, loss_weight=1.),
        generator_depth=2))
