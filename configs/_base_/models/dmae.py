# DMAE, without the student's size: arXiv 2208.12256. Both networks see the same tokens; three
# quarters up, the directions of their features are compared, class token included.
_base_ = './mae_teacher.py'

model = dict(
    teacher=dict(taps=(18, )),
    taps=(9, ),
    neck=dict(
        type='amd_mm.AlignmentNeck',
        projection_bias=True,
        align_cls_token=True,
        direct=dict(
            type='amd_mm.FeatureAlignmentLoss', distance='l1', normalize='l2', loss_weight=1.),
        generation=None),
    # As in the released command line.
    head=dict(normalize=None))
