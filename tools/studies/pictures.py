# CIFAR-10, 450 labels to 45,000: random weights, MAE, a teacher of its own, a DINOv2.
# python tools/data/dinov2_from_wheel.py data/dinov2_vits14.safetensors
# python tools/study.py tools/studies/pictures.py --seeds 0 1 2 3 4 --split test
_configs = '../../configs/evidence/pictures_'
pretrainings = dict(
    # One for all seeds, as DINOv2 is; no seed of the table is its own.
    teacher=dict(config=f'{_configs}pretrain_teacher.py', seed=1000),
    mae=f'{_configs}pretrain_mae.py',
    # As many CPU seconds as the student of amd_dinov2.
    mae_long=dict(config=f'{_configs}pretrain_mae.py', options={'train_cfg.max_epochs': 24}),
    amd=dict(config=f'{_configs}pretrain_amd.py', teacher='teacher'),
    amd_dinov2=f'{_configs}pretrain_amd_dinov2.py',
    distil_dinov2=f'{_configs}pretrain_distil_dinov2.py')
_accuracy = dict(metric='accuracy/top1', best=100)
_tuned = dict(config=f'{_configs}finetune.py', **_accuracy)
_labels = 'train_dataloader.dataset.dataset.ann_file'
_first, _then = 'param_scheduler.0.end', 'param_scheduler.1.begin'
evaluations = dict(
    # About as many updates as with 10 % of the labels, and a quarter of them to warm up.
    labels_1_percent=dict(_tuned, options={
        _labels: 'train_1_percent.txt', 'train_cfg.max_epochs': 80, _first: 20, _then: 20}),
    labels_10_percent=_tuned,
    # Where three times as long from random weights is as good, a pre-training saved time alone.
    labels_10_percent_long=dict(_tuned, options={'train_cfg.max_epochs': 24}),
    labels_all=dict(_tuned, options={
        _labels: 'train.txt', 'train_cfg.max_epochs': 1, _first: 0.25, _then: 0.25}),
    linear=dict(config=f'{_configs}linear.py', **_accuracy),
    knn=dict(config=f'{_configs}knn.py', train=False, **_accuracy))
arms = dict(
    scratch=None, mae='mae', mae_long='mae_long', amd='amd', amd_dinov2='amd_dinov2',
    distil_dinov2='distil_dinov2')
compare = [('mae', 'scratch'), ('amd', 'mae'), ('amd_dinov2', 'mae'), ('amd_dinov2', 'mae_long'),
           ('amd_dinov2', 'distil_dinov2'), ('distil_dinov2', 'scratch')]
splits = dict(val={'test_dataloader.dataset.ann_file': 'val.txt'},
              test={'test_dataloader.dataset.ann_file': 'test.txt'})
chance = 1 / 10
data = ['tools/data/cifar10_from_package.py', '--out=data/cifar10']
data_output = 'data/cifar10/test.txt'
