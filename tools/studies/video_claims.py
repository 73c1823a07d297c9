# What others say of masked distillation, as far as settings can say it, on "which digit moves".
# The students are pre-trained as in video_ablations, whose work dir is used on.
# python tools/study.py tools/studies/video_claims.py --seeds 0 1 2 3 4 --split test \
#     --work-dir work_dirs/studies/video_main
_base_ = './video_ablations.py'

_configs = '../../configs/evidence/'
_teacher = dict(config=f'{_configs}pretrain_teacher.py', seed=1000)
_amd = f'{_configs}pretrain_amd.py'
_short = {'train_cfg.max_epochs': 4}
pretrainings = dict(
    # Students are robust to weak teachers (DMAE): a quarter and half of its training.
    teacher_quarter=dict(_teacher, options={'train_cfg.max_epochs': 4}),
    teacher_half=dict(_teacher, options={'train_cfg.max_epochs': 8}),
    weak_teacher=dict(config=_amd, teacher='teacher_quarter', options=_short),
    half_teacher=dict(config=_amd, teacher='teacher_half', options=_short),
    # A higher mask ratio costs little (DMAE): of 64 tokens 3 or 2 are seen instead of 16.
    masked_95=dict(config=_amd, teacher='teacher', options=dict(
        _short, **{'model.mask_generator.student_ratio': 0.95})),
    masked_97=dict(config=_amd, teacher='teacher', options=dict(
        _short, **{'model.mask_generator.student_ratio': 0.97})),
    # Half of the decoder's tokens cost nothing (VideoMAE V2).
    videomae_half_decoder=dict(config=f'{_configs}pretrain_videomae.py', options=dict(
        _short, **{'model.mask_generator.decoder_ratio': 0.5})))
# Masked pixels hurt a tiny student and distillation mends it (TinyMIM): scratch, videomae, amd.
# A middle layer of the teacher is better than its last one (TinyMIM): block 4 or 6 of 6.
_new = ('half_teacher', 'weak_teacher', 'masked_95', 'masked_97', 'videomae_half_decoder')
arms = dict(
    _delete_=True, scratch=None,
    **{name: name for name in (
        'videomae_short', 'amd_short', 'middle_tap_only', 'last_tap_only', *_new)})
compare = [
    ('amd_short', 'half_teacher'), ('half_teacher', 'weak_teacher'), ('amd_short', 'weak_teacher'),
    ('amd_short', 'masked_95'),
    ('masked_95', 'masked_97'), ('middle_tap_only', 'last_tap_only'),
    ('videomae_short', 'videomae_half_decoder'), ('scratch', 'videomae_short'),
    ('amd_short', 'scratch')]
