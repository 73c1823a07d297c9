# What is masked is predicted from what is visible: MVD's distance, on features as they are.
prediction = dict(
    type='amd_mm.AlignmentNeck',
    projection_bias=True,
    direct=None,
    generation=dict(type='amd_mm.FeatureAlignmentLoss', distance='smooth_l1', normalize=None,
                    loss_weight=1.),
    generator_depth=2)
