from pathlib import Path

import pytest
import tiny_vits
import torch
from mmengine.config import Config
from runs import recorded, run, toy_config, weights

from amd_mm.engine import build_training_runner
from amd_mm.engine.hooks.resume_hook import _forget_pretrained, differences

SGD = dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.01)
SCHEDULE = [dict(type='LinearLR', start_factor=0.1, end=1, convert_to_iter_based=True),
            dict(type='CosineAnnealingLR', begin=1, eta_min_ratio=0.1, convert_to_iter_based=True)]


def config(work_dir: Path, max_epochs: int = 3, **optimizer) -> Config:
    cfg = toy_config(work_dir, max_epochs=max_epochs, optimizer=dict(SGD, **optimizer))
    cfg.param_scheduler = SCHEDULE
    return cfg


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Config:
    cfg = config(tmp_path_factory.mktemp('whole'))
    run(cfg)
    return cfg


def resume(cfg: Config, source: Config) -> str:
    """From the first epoch of ``source``; returns what was warned of."""
    cfg.update(resume=True, load_from=str(Path(source.work_dir, 'epoch_1.pth')))
    run(cfg)
    return next(Path(cfg.work_dir).glob('*/*.log')).read_text()


@pytest.mark.parametrize('changes, said', [
    (dict(lr=0.02), 'optim_wrapper.optimizer.lr 0.1 -> 0.02'),
    (dict(max_epochs=6), 'train_cfg.max_epochs 3 -> 6'),
    (dict(max_epochs=2, lr=0.05), 'train_cfg.max_epochs 3 -> 2'),
])
def test_a_changed_rate_or_length_holds_for_the_rest(whole, tmp_path, changes, said):
    """The rates are those of a run that had the new config from the beginning."""
    fresh = config(tmp_path / 'fresh', **changes)
    run(fresh)
    cfg = config(tmp_path / 'resumed', **changes)
    log = resume(cfg, whole)
    expected = [line['lr'] for line in recorded(fresh)][5:]
    assert [line['lr'] for line in recorded(cfg)] == pytest.approx(expected, rel=1e-12)
    assert said in log and 'epoch 1, iteration 5' in log


def test_changed_decay_and_momentum_are_the_optimizers(whole, tmp_path):
    cfg = config(tmp_path, weight_decay=0.5, momentum=0.)
    cfg.update(resume=True, load_from=str(Path(whole.work_dir, 'epoch_1.pth')))
    runner = build_training_runner(cfg)
    runner.train()
    group, = runner.optim_wrapper.optimizer.param_groups
    assert (group['weight_decay'], group['momentum']) == (0.5, 0.)


def test_an_unchanged_run_is_not_spoken_of(whole, tmp_path):
    cfg = config(tmp_path)
    assert 'has changed' not in resume(cfg, whole)
    torch.testing.assert_close(
        weights(cfg, 'epoch_3.pth'), weights(whole, 'epoch_3.pth'), rtol=0, atol=0)


def test_changed_data_are_named(whole, tmp_path):
    cfg = config(tmp_path)
    cfg.train_dataloader.dataset.num_repeats = 1
    log = resume(cfg, whole)
    assert 'train_dataloader.dataset.num_repeats 2 -> 1' in log


def test_other_groups_of_weights_are_refused(whole, tmp_path):
    cfg = config(tmp_path)
    cfg.optim_wrapper.paramwise_cfg = dict(bias_decay_mult=0.)
    with pytest.raises(ValueError, match='1 of 4 weights, got 4 of 4; restore paramwise_cfg'):
        resume(cfg, whole)


def test_the_number_of_accumulated_batches_is_no_change():
    before, now = (dict(type='OptimWrapper', accumulative_counts=n) for n in (1, 4))
    assert not list(differences('optim_wrapper', before, now))


def test_the_file_that_training_started_from_may_be_gone(tmp_path):
    """A fine-tuning goes on without the student's checkpoint."""
    backbone = tiny_vits.video_vit(init_cfg=dict(type='Pretrained', checkpoint='gone.pth'))
    _forget_pretrained(torch.nn.Sequential(backbone))
    backbone.init_weights()
    assert backbone.init_cfg is None


def test_weights_of_another_network_are_refused_before_training(tmp_path):
    cfg = toy_config(tmp_path / 'run')
    model = dict(type='amd_mm.MaskedAutoencoder', **{
        name: part for name, part in tiny_vits.pretraining_config('video').items()
        if name != 'type'})
    torch.save(dict(state_dict=tiny_vits.pretraining('video').state_dict()), tmp_path / 'a.pth')
    model['backbone'] = dict(model['backbone'], depth=1)
    cfg.model, cfg.load_from = model, str(tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='of the same model, but not in the model: .*blocks.1'):
        run(cfg)
