# AMD on pictures: the student sees a quarter, the teacher half.
_base_ = './pretrain_pictures.py'

alignment = dict(
    type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize='layer_norm', loss_weight=1.)
model = dict(
    type='amd_mm.AMD',
    taps=(3, 6),
    mask_generator=dict(teacher_ratio=0.5),
    neck=dict(
        type='amd_mm.AlignmentNeck', direct=alignment, generation=alignment, generator_depth=1))
