# One change at a time to AMD on "which digit moves": the data, the teacher and the fine-tuning are
# video_main's, whose work dir is used on; the students are pre-trained for 4 epochs instead of 10.
# python tools/study.py tools/studies/video_ablations.py --seeds 0 1 2 3 4 --split test \
#     --work-dir work_dirs/studies/video_main
_base_ = './video_main.py'

_short = {'train_cfg.max_epochs': 4}
_amd = dict(config='../../configs/evidence/pretrain_amd.py', teacher='teacher')
_changes = dict(
    teacher_sees_as_little={'model.mask_generator.teacher_ratio': 0.75,
                            'model.neck.generation': None},
    teacher_sees_more={'model.mask_generator.teacher_ratio': 0.25},
    teacher_sees_everything={'model.mask_generator.teacher_ratio': 0.},
    direct_only={'model.neck.generation': None},
    generation_only={'model.neck.direct': None},
    last_tap_only={'model.taps': '[4]', 'model.teacher.taps': '[6]'},
    middle_tap_only={'model.taps': '[4]', 'model.teacher.taps': '[4]'},
    raw_features={'model.neck.direct.normalize': None, 'model.neck.generation.normalize': None},
    tube={'model.mask_generator.strategy': 'tube'},
    deeper_generator={'model.neck.generator_depth': 2},
    # As DMAE: both see the same tokens, and one layer at three quarters of the depth is aligned.
    dmae_like={'model.mask_generator.teacher_ratio': 0.75, 'model.neck.generation': None,
               'model.taps': '[3]', 'model.teacher.taps': '[4]'},
    # As SALT: the teacher sees everything, what it makes of hidden tokens is predicted, no pixels.
    salt_like={'model.mask_generator.teacher_ratio': 0., 'model.neck.direct': None,
               'model.decoder': None, 'model.head': None, 'model.taps': '[4]',
               'model.teacher.taps': '[6]'})
pretrainings = dict(
    videomae_short=dict(config='../../configs/evidence/pretrain_videomae.py', options=_short),
    amd_short=dict(_amd, options=_short),
    **{name: dict(_amd, options=dict(_short, **options)) for name, options in _changes.items()})
arms = dict(
    _delete_=True, scratch=None, videomae_short='videomae_short', amd_short='amd_short',
    **{name: name for name in _changes})
compare = [('amd_short', 'videomae_short'), *[('amd_short', name) for name in _changes]]
