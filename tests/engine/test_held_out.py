import copy
from pathlib import Path

import pytest
import tiny_vits
import torch
import transfer
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from runs import run, run_processes, toy_config, weights

from amd_mm.engine import HeldOutLoss, build_training_runner, settle_held_out
from amd_mm.keys import Sample, sample_key
from amd_mm.registry import DATASETS, MODELS

SIZE = tiny_vits.SIZE


@HOOKS.register_module()
class HeldOutRecord(Hook):
    """Keeps the metrics of every evaluation."""

    def __init__(self) -> None:
        self.metrics: list[dict] = []

    def after_val_epoch(self, runner, metrics=None) -> None:
        self.metrics.append(metrics)


@pytest.fixture(scope='module')
def pictures(tmp_path_factory) -> Path:
    return transfer.make_pictures(tmp_path_factory.mktemp('held out'))


def config(work_dir: Path, pictures: Path, lr: float = 1e-3, max_epochs: int = 2) -> Config:
    """Tiny MAE on four pictures, held-out losses on four others; three at a time."""
    cfg = toy_config(work_dir, max_epochs=max_epochs, checkpoint=dict(
        type='CheckpointHook', interval=1, save_best='held_out/loss', rule='less'))
    cfg.model = tiny_vits.pretraining_config('image', amd=True)
    cfg.model.data_preprocessor = dict(
        type='mmengine.ImgDataPreprocessor', mean=[127.] * 3, std=[60.] * 3)
    cfg.train_dataloader.batch_size = 3
    cfg.train_dataloader.dataset = dict(
        type='amd_mm.KeyedDataset', num_repeats=2,
        dataset=dict(
            type='mmpretrain.CustomDataset', data_prefix=str(pictures / 'train'), with_label=False,
            pipeline=[dict(type='mmpretrain.LoadImageFromFile')]),
        pipeline=[dict(type='mmpretrain.RandomResizedCrop', scale=SIZE),
                  dict(type='mmpretrain.PackInputs')])
    cfg.param_scheduler = None
    cfg.optim_wrapper.optimizer.lr = lr
    cfg.held_out_data = dict(data_prefix=str(pictures / 'val'))
    for name in ('test_dataloader', 'test_cfg', 'test_evaluator'):
        cfg.pop(name)
    return cfg


def evaluations(cfg: Config) -> list[dict[str, float]]:
    runner = build_training_runner(cfg)
    runner.register_hook(record := HeldOutRecord())
    runner.train()
    return record.metrics


def test_losses_are_the_mean_over_all_held_out_samples(pictures, tmp_path):
    cfg = config(tmp_path, pictures)
    found = evaluations(cfg)
    assert len(found) == 2
    # By hand: the data in its order, under keys of seed 0 and epoch 0, with the saved weights.
    model = MODELS.build(cfg.model)
    model.load_state_dict(weights(cfg, 'epoch_2.pth'))
    model.teacher.load_state_dict(build_training_runner(cfg).model.teacher.state_dict())
    data = DATASETS.build(cfg.val_dataloader.dataset)
    assert data.dataset.data_prefix == dict(img_path=str(pictures / 'val'))
    batch = [one for number in range(4) for one in data[Sample(0, 0, number)]]
    assert [one['data_samples'].sample_key for one in batch] == [
        sample_key(0, 0, number, repeat) for number in range(4) for repeat in range(2)]
    samples = dict(inputs=[one['inputs'] for one in batch],
                   data_samples=[one['data_samples'] for one in batch])
    with torch.no_grad():
        losses = model(**model.data_preprocessor(samples), mode='loss')
    want = {f'held_out/{name}': float(loss) for name, loss in losses.items()}
    want['held_out/loss'] = sum(want.values())
    assert set(want) == {'held_out/loss', 'held_out/loss_rec', 'held_out/loss_dir',
                         'held_out/loss_gen'}
    assert found[-1] == pytest.approx(want, rel=1e-5)


def test_nothing_but_the_weights_changes_them(pictures, tmp_path):
    """The same crops and masks at every evaluation, in any run, on any number of processes."""
    first = evaluations(config(tmp_path / 'a', pictures, lr=0.))
    other_seed = config(tmp_path / 'b', pictures, lr=0., max_epochs=1)
    assert first[0] == first[1]
    other_seed.load_from = str(tmp_path / 'a' / 'epoch_1.pth')
    other_seed.randomness.seed = 5
    # The teacher here is drawn from the seed: pixels alone are compared.
    assert evaluations(other_seed)[0]['held_out/loss_rec'] == first[0]['held_out/loss_rec']


def test_training_is_the_same_without_them(pictures, tmp_path):
    run(whole := config(tmp_path / 'with', pictures))
    without = config(tmp_path / 'without', pictures)
    without.held_out = None
    without.default_hooks.checkpoint = dict(type='CheckpointHook', interval=1)
    run(without)
    torch.testing.assert_close(
        weights(without, 'epoch_2.pth'), weights(whole, 'epoch_2.pth'), rtol=0, atol=0)


def test_they_stop_a_run_and_choose_its_best_checkpoint(pictures, tmp_path):
    cfg = config(tmp_path, pictures, lr=0., max_epochs=5)
    cfg.default_hooks.early_stopping = dict(
        type='EarlyStoppingHook', monitor='held_out/loss', rule='less', patience=1)
    runner = run(cfg)
    # Nothing is learnt: the first evaluation is the best, the second loses patience.
    assert runner.epoch == 2
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_held_out_loss_epoch_1.pth']


@pytest.mark.slow
def test_two_processes(pictures, tmp_path):
    one, two = (config(tmp_path / name, pictures, lr=0., max_epochs=1) for name in ('one', 'two'))
    one.train_dataloader.batch_size, two.train_dataloader.batch_size = 2, 1
    run(one)
    run_processes(2, two)
    logs = [next(Path(cfg.work_dir).glob('*/vis_data/scalars.json')).read_text().splitlines()[-1]
            for cfg in (one, two)]
    found = [Config.fromstring(log, '.json') for log in logs]
    assert found[0]['held_out/loss_rec'] == pytest.approx(found[1]['held_out/loss_rec'], rel=1e-6)


def test_a_settled_config_is_settled_again_alike(pictures, tmp_path):
    cfg = config(tmp_path, pictures)
    settle_held_out(cfg)
    settled = copy.deepcopy(cfg.to_dict())
    settle_held_out(cfg)
    assert cfg.to_dict() == settled
    assert cfg.train_dataloader.dataset.dataset.data_prefix == str(pictures / 'train')


def test_mean_by_hand():
    metric = HeldOutLoss()
    metric.process(None, [dict(samples=3, losses=dict(loss_a=1., loss_b=2.))])
    metric.process(None, [dict(samples=1, losses=dict(loss_a=5., loss_b=0.))])
    assert metric.evaluate(4) == {
        'held_out/loss': 3.5, 'held_out/loss_a': 2., 'held_out/loss_b': 1.5}


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(held_out_data=5), 'held_out_data must say .* got 5; write'),
    (dict(held_out_data={}), r'got \{\}'),
    (dict(val_evaluator=dict(type='mmpretrain.Accuracy')),
     'must have no val_evaluator of its own, got .*Accuracy.*; remove one'),
])
def test_bad_settings(pictures, tmp_path, changes, message):
    cfg = config(tmp_path, pictures)
    for name, value in changes.items():
        cfg[name] = value
    with pytest.raises(ValueError, match=message):
        build_training_runner(cfg)


def test_labels_cannot_validate_pretraining(pictures, tmp_path):
    cfg = config(tmp_path, pictures)
    settle_held_out(cfg)
    cfg.held_out_data = None
    cfg.val_evaluator = dict(type='mmpretrain.Accuracy')
    with pytest.raises(ValueError, match='by amd_mm.HeldOutLoss.*got mmpretrain.Accuracy'):
        build_training_runner(cfg)
