"""The segmentation recipes: what they take from mmsegmentation's, and from real nuclei to mIoU."""
from pathlib import Path

import nuclei
import numpy as np
import pytest
import tiny_vits
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner
from mmpretrain.models.utils import resize_pos_embed
from nuclei import RECIPES
from recipes import ENCODERS, encoder_size

from amd_mm.engine import CompleteCheckpointHook, build_runner, build_training_runner
from amd_mm.registry import MODELS

HOST = 'mmseg::mae/mae-base_upernet_8xb2-amp-160k_ade20k-512x512.py'
OWN = 'vit-small-p16_amd-pre_b16-upernet-50e_own-masks-512x512'
ADE = [name for name in RECIPES if 'ade20k' in name]


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    """Both sets, and a student of pre-training at another size."""
    root = tmp_path_factory.mktemp('nuclei')
    nuclei.make_own(root / 'own')
    nuclei.make_ade(root / 'ade')
    config = tiny_vits.pretraining_config('image')
    config['backbone']['arch'] = dict(config['backbone']['arch'], num_layers=nuclei.DEPTH)
    student = tiny_vits.randomise(MODELS.build(config), seed=1)
    torch.save(dict(state_dict=student.state_dict()), root / 'student.pth')
    return root


def small(name: str, root: Path, work_dir: Path) -> Config:
    cfg = nuclei.small(name, work_dir, root / 'student.pth')
    nuclei.use(cfg, root / ('ade' if name in ADE else 'own'))
    return cfg


class Maps(Hook):
    """Counts, apart from the host's metric, how predicted and annotated pixels overlap."""

    def __init__(self) -> None:
        self.pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=()) -> None:
        for sample in outputs:
            self.pairs.append((sample.pred_sem_seg.data.numpy(), sample.gt_sem_seg.data.numpy()))

    def mean_iou(self) -> float:
        """Over the classes that are predicted or annotated."""
        found, truth = (np.concatenate([pair[side].ravel() for pair in self.pairs])
                        for side in (0, 1))
        found, truth = found[truth != 255], truth[truth != 255]
        shares = [((found == label) & (truth == label)).sum()
                  / ((found == label) | (truth == label)).sum()
                  for label in set(found.tolist()) | set(truth.tolist())]
        return float(np.mean(shares))


def train_and_test(cfg: Config) -> tuple[Runner, dict[str, float], Maps]:
    """As tools/train.py and tools/test.py do."""
    runner = build_training_runner(cfg)
    runner.train()
    cfg.load_from = str(Path(cfg.work_dir, f'epoch_{cfg.train_cfg.max_epochs}.pth'))
    cfg.experiment_name += '_test'
    tester = build_runner(cfg)
    tester.register_hook(CompleteCheckpointHook())
    maps = Maps()
    tester.register_hook(maps)
    return runner, tester.test(), maps


def test_the_promised_recipes_are_there() -> None:
    assert set(RECIPES) == {
        f'vit-{size}-p16_amd-pre_b16-upernet-{data}-512x512'
        for size in ('small', 'base') for data in ('127e_ade20k', '50e_own-masks')}
    for path in RECIPES.values():
        lines = path.read_text().splitlines()
        assert sum(bool(line) and not line.startswith('#') for line in lines) <= 20


@pytest.mark.parametrize('name', RECIPES)
def test_two_steps_and_mean_iou(name: str, root: Path, tmp_path: Path) -> None:
    cfg = small(name, root, tmp_path / 'run')
    before = torch.load(root / 'student.pth', weights_only=True)['state_dict']
    runner, metrics, maps = train_and_test(cfg)
    assert runner.iter == 2 and len(runner.train_dataloader.dataset) == 4
    # The host rounds percent to two places.
    assert metrics['mIoU'] == pytest.approx(100 * maps.mean_iou(), abs=.006)
    validated = runner.message_hub.get_scalar('val/mIoU').current()
    assert metrics['mIoU'] == pytest.approx(validated)
    after = runner.model.backbone.state_dict()
    changed = {key: not torch.equal(value, before[f'backbone.{key}'])
               for key, value in after.items() if key != 'pos_embed'}
    assert all(changed.values()) and not any(key.startswith('ln') for key in changed)
    assert runner.model.decode_head.num_classes == (150 if name in ADE else 2)


def host_config(tmp_path: Path) -> Config:
    path = tmp_path / 'host.py'
    path.write_text(f'_base_ = [{HOST!r}]\n')
    return Config.fromfile(path)


def bare(value: object) -> object:
    """Without the scopes that inheriting from a host leaves."""
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if key != '_scope_'}
    return [bare(item) for item in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize('name', ADE)
def test_everything_else_is_the_hosts(name: str, tmp_path: Path) -> None:
    """Head, crops, sliding test, rate, decay, drop path: as in mmsegmentation's MAE config."""
    cfg, host = Config.fromfile(RECIPES[name]), host_config(tmp_path)
    size = name.split('-')[1]
    width, *_ = encoder_size(cfg.model.backbone)
    assert encoder_size(cfg.model.backbone) == ENCODERS[size]
    theirs = host.model
    for key in ('img_size', 'drop_path_rate', 'out_indices'):
        value = theirs.backbone[key]
        assert np.array_equal(np.broadcast_to(cfg.model.backbone[key], np.shape(value)), value), key
    theirs.neck.embed_dim = theirs.auxiliary_head.in_channels = width
    theirs.decode_head.update(in_channels=[width] * 4, channels=width)
    for key in ('data_preprocessor', 'neck', 'decode_head', 'auxiliary_head', 'test_cfg', 'type'):
        assert bare(cfg.model[key]) == bare(theirs[key]), key
    ours = cfg.optim_wrapper
    assert bare(ours.optimizer) == bare(host.optim_wrapper.optimizer)
    decay = host.optim_wrapper.paramwise_cfg
    assert ours.paramwise_cfg.layer_decay_rate == decay.layer_decay_rate == .65
    assert (ours.type, ours.dtype, host.fp16) == (
        'AmpOptimWrapper', 'bfloat16', dict(loss_scale='dynamic'))
    for part in ('train', 'val', 'test'):
        data = nuclei.datasets(cfg)[part]
        host_data = host[f'{part}_dataloader'].dataset
        assert (data.type, data.data_root, data.data_prefix) == (
            host_data.type, host_data.data_root, host_data.data_prefix)
        reading = dict(LoadImageFromFile=dict(type='amd_mm.LoadPicture'),
                       LoadAnnotations=dict(type='mmseg.LoadAnnotations'))
        assert bare(data.pipeline) == [
            reading.get(step['type'], step) for step in bare(host_data.pipeline)]
    assert bare(cfg.test_evaluator) == bare(host.test_evaluator)
    assert cfg.global_batch_size == 8 * host.train_dataloader.batch_size


@pytest.mark.parametrize('name', ADE)
def test_rates_are_the_hosts(name: str, tmp_path: Path) -> None:
    """In updates; the fall ends with the training, 401 updates later."""
    cfg, host = Config.fromfile(RECIPES[name]), host_config(tmp_path)
    updates = 20210 // cfg.global_batch_size * cfg.train_cfg.max_epochs
    assert updates == 160401 and host.train_cfg.max_iters == 160000
    warm_up, fall = host.param_scheduler
    assert warm_up.pop('begin') == 0 and fall.pop('end') == 160000
    assert not warm_up.pop('by_epoch') and not fall.pop('by_epoch')
    for ours, theirs in zip(cfg.param_scheduler, (warm_up, fall), strict=True):
        built = PARAM_SCHEDULERS.get(ours.type).build_iter_from_epoch(
            torch.optim.SGD([torch.zeros(1)], .1), epoch_length=1263,
            **{key: value for key, value in ours.items()
               if key not in ('type', 'convert_to_iter_based')})
        assert (built.begin, built.end) == (theirs.get('begin', 0), theirs.get('end', INF))
        curve = [key for key in theirs if key not in ('begin', 'end', '_scope_')]
        assert [ours[key] for key in curve] == [theirs[key] for key in curve]


@pytest.mark.parametrize('name', RECIPES)
def test_training_starts_from_the_student(name: str, root: Path, tmp_path: Path) -> None:
    """Positions of 4 x 4 tokens are resized to 8 x 8, as mmpretrain's own class does it."""
    cfg = small(name, root, tmp_path)
    if name not in ADE:
        cfg.model.decode_head.num_classes = cfg.model.auxiliary_head.num_classes = 2
    model = MODELS.build(cfg.model)
    model.init_weights()
    student = torch.load(root / 'student.pth', weights_only=True)['state_dict']
    ours = dict(model.backbone.state_dict())
    expected = resize_pos_embed(
        student['backbone.pos_embed'].double(), (4, 4), (8, 8), 'bicubic', 1).float()
    torch.testing.assert_close(ours.pop('pos_embed'), expected)
    for key, value in ours.items():
        assert torch.equal(value, student[f'backbone.{key}']), key


def test_it_learns(root: Path, tmp_path: Path) -> None:
    """Nuclei are told from the background on pictures that were not trained on."""
    cfg = small(OWN, root, tmp_path / 'run')
    cfg.train_cfg.update(max_epochs=30, val_interval=30)
    cfg.default_hooks.checkpoint.interval = 30
    cfg.optim_wrapper.optimizer.lr = 3e-3
    cfg.model.backbone.drop_path_rate = 0.
    _, metrics, _ = train_and_test(cfg)
    assert metrics['mIoU'] > 70


@pytest.mark.parametrize('method', ['amd', 'dmae', 'mae'])
def test_students_of_every_method_load_by_one_line(method: str, root: Path, tmp_path: Path) -> None:
    """As a run of ours leaves them, neck and decoder included."""
    config = tiny_vits.pretraining_config('image', amd=method != 'mae')
    for part in [config, config['teacher']] if method != 'mae' else [config]:
        backbone = part['backbone']
        backbone['arch'] = dict(backbone['arch'], num_layers=nuclei.DEPTH)
    if method == 'dmae':
        config['neck'] = dict(config['neck'], generation=None)
        config['mask_generator'].pop('teacher_ratio')
    torch.save(dict(state_dict=tiny_vits.randomise(MODELS.build(config)).state_dict()),
               tmp_path / 'student.pth')
    cfg = nuclei.small(ADE[0], tmp_path, tmp_path / 'student.pth')
    backbone = MODELS.build(cfg.model.backbone)
    backbone.init_weights()
    saved = torch.load(tmp_path / 'student.pth', weights_only=True)['state_dict']
    for key, value in backbone.state_dict().items():
        assert key == 'pos_embed' or torch.equal(value, saved[f'backbone.{key}']), key
