# MVD: published by Wang et al., arXiv 2212.04500, with code. Two teachers see the whole clip, that
# of pictures the first frame of each tubelet; weights of both losses are 1.
_base_ = ['./_base_/video_features.py', './_base_/prediction.py', './_base_/on_kinetics400.py']

model = dict(
    backbone=dict(drop_path_rate=0.1, **_base_.vit_small.backbone),
    teacher=[
        dict(name='image', taps=(12, ), neck=_base_.prediction,
             teacher=dict(taps=(12, ), frames='first', **_base_.mae_base)),
        dict(name='video', taps=(12, ), neck=_base_.prediction,
             teacher=dict(
                 type='amd_mm.FrozenTeacher', taps=(12, ),
                 backbone=dict(**_base_.model.backbone, **_base_.vit_base.backbone)))],
    taps=None,
    mask_generator=dict(teacher_ratio=[0., 0.]),
    neck=None)
