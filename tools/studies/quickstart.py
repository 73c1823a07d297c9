# The quickstart with the row that could embarrass it: students from random weights.
# python tools/study.py tools/studies/quickstart.py --seeds 0 1 2 3 4 --split test
_configs = '../../configs/quickstart/'
pretrainings = dict(
    teacher=dict(config=f'{_configs}pretrain_teacher.py'),
    videomae=dict(config=f'{_configs}pretrain_videomae_student.py'),
    amd=dict(config=f'{_configs}pretrain_amd_student.py', teacher='teacher'))
evaluations = dict(top1=dict(config=f'{_configs}finetune_student.py', metric='acc/top1'))
arms = dict(
    scratch=None, videomae='videomae', amd='amd',
    teacher=dict(start='teacher', configs=dict(top1=f'{_configs}finetune_teacher.py')))
compare = [('amd', 'videomae'), ('videomae', 'scratch'), ('amd', 'scratch')]
splits = dict(val={'test_dataloader.dataset.ann_file': 'val.txt'},
              test={'test_dataloader.dataset.ann_file': 'test.txt'})
chance = 1 / 8
data = ['tools/data/moving_digits.py', '--out=data/moving_digits']
data_output = 'data/moving_digits/test.txt'
