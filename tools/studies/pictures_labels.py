# The networks of pictures.py, fine-tuned with 1 % and with all of the labels.
# python tools/study.py tools/studies/pictures_labels.py --seeds 0 1 2 3 4 --split test \
#     --work-dir work_dirs/studies/pictures
_base_ = './pictures.py'

_tuned = dict(
    config='../../configs/evidence/pictures_finetune.py', metric='accuracy/top1', best=100)
_labels = 'train_dataloader.dataset.dataset.ann_file'
# As many updates as with 10 % of the labels, and four times as many.
evaluations = dict(
    _delete_=True,
    labels_1_percent=dict(
        _tuned, options={_labels: 'train_1_percent.txt', 'train_cfg.max_epochs': 80}),
    labels_all=dict(_tuned, options={
        _labels: 'train.txt', 'train_cfg.max_epochs': 3,
        'param_scheduler.0.end': 1, 'param_scheduler.1.begin': 1}))
