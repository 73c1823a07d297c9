# What others say of masked distillation, as far as settings can say it, on "which digit moves".
# python tools/study.py tools/studies/video_claims.py --seeds 0 1 2 3 4 --split test
_base_ = './video_main.py'

_configs = '../../configs/evidence/'
_teacher = dict(config=f'{_configs}pretrain_teacher.py', seed=1000)
_videomae = dict(config=f'{_configs}pretrain_videomae.py')
_amd = dict(config=f'{_configs}pretrain_amd.py', teacher='teacher')
pretrainings = dict(
    # Students are robust to weak teachers (DMAE): a quarter and half of its training.
    teacher_quarter=dict(_teacher, options={'train_cfg.max_epochs': 4}),
    teacher_half=dict(_teacher, options={'train_cfg.max_epochs': 8}),
    amd_weak_teacher=dict(_amd, teacher='teacher_quarter'),
    amd_half_teacher=dict(_amd, teacher='teacher_half'),
    # A higher mask ratio costs little (DMAE): of 64 tokens 3 or 2 are seen instead of 16.
    amd_masked_95=dict(_amd, options={'model.mask_generator.student_ratio': 0.95}),
    amd_masked_97=dict(_amd, options={'model.mask_generator.student_ratio': 0.97}),
    # A middle layer of the teacher is better than its last one (TinyMIM): block 4 or 6 of 6.
    amd_middle=dict(_amd, options={'model.taps': '[4]', 'model.teacher.taps': '[4]'}),
    amd_last=dict(_amd, options={'model.taps': '[4]', 'model.teacher.taps': '[6]'}),
    # Half of the decoder's tokens cost nothing (VideoMAE V2).
    videomae_half_decoder=dict(_videomae, options={'model.mask_generator.decoder_ratio': 0.5}))
# Masked pixels hurt a tiny student and distillation mends it (TinyMIM): scratch, videomae, amd.
arms = dict(
    _delete_=True, scratch=None, videomae='videomae', amd='amd',
    **{name: name for name in pretrainings if not name.startswith('teacher')})
compare = [
    ('amd', 'amd_half_teacher'), ('amd_half_teacher', 'amd_weak_teacher'),
    ('amd', 'amd_masked_95'), ('amd_masked_95', 'amd_masked_97'), ('amd_middle', 'amd_last'),
    ('videomae', 'videomae_half_decoder'), ('scratch', 'videomae'), ('amd', 'scratch')]
