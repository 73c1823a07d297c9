# The main table: which digit moves, over photographs, while another one stands still.
# python tools/study.py tools/studies/video_main.py --seeds 0 1 2 3 4 --split test
_configs = '../../configs/evidence/'
pretrainings = dict(
    # One teacher for all seeds, as one from the net would be; no seed of the table is its own.
    teacher=dict(config=f'{_configs}pretrain_teacher.py', seed=1000),
    videomae=f'{_configs}pretrain_videomae.py',
    # As many CPU seconds as AMD takes.
    videomae_long=dict(
        config=f'{_configs}pretrain_videomae.py', options={'train_cfg.max_epochs': 22}),
    amd=dict(config=f'{_configs}pretrain_amd.py', teacher='teacher'))
evaluations = dict(top1=dict(config=f'{_configs}finetune.py', metric='acc/top1'))
_long = dict(top1={'train_cfg.max_epochs': 60})
arms = dict(
    scratch=None,
    scratch_long=dict(start=None, options=_long),
    videomae='videomae',
    videomae_long='videomae_long',
    amd='amd',
    teacher=dict(start='teacher', configs=dict(top1=f'{_configs}finetune_teacher.py')))
compare = [('amd', 'videomae'), ('videomae', 'scratch'), ('amd', 'scratch'),
           ('amd', 'videomae_long'), ('amd', 'scratch_long')]
splits = dict(val={'test_dataloader.dataset.ann_file': 'val.txt'},
              test={'test_dataloader.dataset.ann_file': 'test.txt'})
chance = 1 / 10
data = ['tools/data/moving_digits.py', '--out=data/which_digit_moves', '--task=mover', '--size=28',
        '--frames=8', '--train=12000', '--labelled=2000', '--val=2000', '--test=4000']
data_output = 'data/which_digit_moves/test.txt'
