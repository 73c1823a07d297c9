# Every step of a study on a handful of videos; the numbers mean nothing.
_base_ = './quickstart.py'

_folder = 'data/moving_digits_smoke'
data = ['tools/data/moving_digits.py', f'--out={_folder}', '--train=32', '--labelled=32',
        '--val=8', '--test=16']
data_output = f'{_folder}/test.txt'
options = {
    'train_cfg.max_epochs': 2,
    'train_dataloader.batch_size': 8,
    'global_batch_size': 8,
    'train_dataloader.dataset.dataset.data_root': _folder,
    'test_dataloader.dataset.data_root': _folder,
}
