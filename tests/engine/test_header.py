from pathlib import Path
from types import SimpleNamespace

import pytest
from clips import write_video
from mmengine.config import Config
from mmengine.hooks import Hook
from recipes import CONFIGS, shrink
from runs import run, toy_config

from amd_mm.engine import build_training_runner
from amd_mm.engine.header import testing_header as header_of_a_test
from amd_mm.engine.header import training_header


class Reader(Hook):
    """Takes the header when the console does."""

    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if not hasattr(self, 'header'):
            self.header = training_header(runner, ['2 loading processes instead of 8 (cores)'])
            self.hooks = runner.hooks


def header(cfg: Config) -> dict[str, str]:
    runner = build_training_runner(cfg)
    reader = Reader()
    runner.register_hook(reader)
    runner.train()
    return reader.header


@pytest.fixture
def recipe(tmp_path) -> Config:
    """A recipe of AMD on four small videos, two epochs of two updates."""
    videos = tmp_path / 'videos'
    videos.mkdir()
    for number in range(4):
        write_video(videos / f'{number}.mp4', 20)
    cfg = Config.fromfile(CONFIGS / 'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py')
    shrink(cfg, blocks=6)
    cfg.train_dataloader.dataset.dataset.update(ann_file='', data_prefix=dict(video=str(videos)))
    cfg.merge_from_dict({
        'global_batch_size': 2, 'train_dataloader.batch_size': 1, 'train_cfg.max_epochs': 12,
        'work_dir': str(tmp_path / 'out'), 'experiment_name': tmp_path.name, 'launcher': 'none',
        'log_level': 'ERROR'})
    return cfg


def test_ten_lines_of_a_pre_training(recipe, tmp_path):
    found = header(recipe)
    cost = found.pop('cost')
    log = found.pop('work dir')
    device = found.pop('device')
    # 2 x 4 x 4 tokens; a tenth and a quarter of the 4 x 4 of a tube.
    assert found == {
        'method': 'AMD: the student sees 4 of 32 tokens, the teacher 8',
        # The first: patches 1536 x 24 + 24, two blocks of 7200 (24 wide), a norm of 48.
        'networks': 'backbone 51.3 k, decoder 22.2 k, neck 103 k, teacher 298 k (frozen)',
        'data': f'4 samples of {tmp_path}/videos',
        'batch': '1 samples x 1 processes x 2 accumulated = 2 samples an update '
                 '(x 4 repeats = 8)',
        'schedule': '12 epochs, 24 updates in all; AdamW at 0.0024, after a warm-up of 10 epochs',
        'changed': '2 loading processes instead of 8 (cores); float32 instead of mixed precision '
                   '(no accelerator)',
        'start': 'from the beginning, seed 0'}
    assert log.startswith(f'{tmp_path}/out, all messages in {tmp_path}/out/')
    assert Path(log.rpartition(' ')[2]).is_file()
    assert device.startswith('1 x CPU of ') and device.endswith(
        'cores, float32; 0 loading processes each')
    # 24 updates of 8 inputs.
    an_input, in_all = (float(words.split(' ')[0]) for words in cost.split(', ')[:2])
    assert in_all == pytest.approx(24 * 8 * an_input / 1000, rel=.01)
    assert 'MFLOP an input' in cost and 'GFLOP to go' in cost and ' at 45% of the ' in cost


def test_of_other_models_and_of_a_run_that_goes_on(tmp_path):
    cfg = toy_config(tmp_path, size=4, max_epochs=2)
    run(cfg)
    cfg.update(resume=True, load_from=str(tmp_path / 'epoch_1.pth'), experiment_name='rest')
    found = header(cfg)
    assert found['method'] == 'ToyModel, from random weights'
    assert found['start'] == f'goes on from {tmp_path}/epoch_1.pth, epoch 2, update 3'
    # No operations are counted without amd_mm.ThroughputHook; half of the run is left.
    assert found['cost'] == 'not counted'
    cfg.update(resume=False, experiment_name='anew')
    assert header(cfg)['start'] == f'from the weights of {tmp_path}/epoch_1.pth'


def test_of_a_test(tmp_path):
    cfg = toy_config(tmp_path, size=4, max_epochs=1)
    runner = run(cfg)
    runner.cfg.load_from = 'weights.pth'
    runner.test()
    found = header_of_a_test(runner, [])
    assert found['data'] == '6 samples of ToyData' and found['weights'] == 'weights.pth'
    assert found['changed'] == 'nothing for this machine'
    assert found['model'] == 'ToyModel'
    # What a score is worth: a classifier's classes, those of a data set that neighbours vote on.
    runner.model.cls_head = SimpleNamespace(num_classes=8)
    assert header_of_a_test(runner, [])['model'] == (
        'ToyModel; 8 classes, guessing is right in 12.5 %')
