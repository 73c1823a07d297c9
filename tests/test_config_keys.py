import pytest
from mmengine.config import Config
from recipes import CONFIGS
from runs import toy_config

from amd_mm.config_keys import check_keys, merge_options, nearest

EVERY_CONFIG = sorted(path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)


@pytest.fixture
def cfg(tmp_path) -> Config:
    return toy_config(tmp_path)


@pytest.mark.parametrize('path', EVERY_CONFIG, ids=lambda path: path.stem)
def test_every_key_of_a_recipe_is_read(path):
    check_keys(Config.fromfile(path))


@pytest.mark.parametrize('options', [
    {'model.bad_at': 3},  # an argument of a class
    {'load_from': 'a.pth', 'auto_scale_lr.base_batch_size': 4, 'compile': True},
    {'held_out_data.size': 3},  # an argument of the innermost data set
    {'default_hooks.early.type': 'EarlyStoppingHook', 'default_hooks.early.monitor': 'loss',
     'default_hooks.early.priority': 'LOW'},
    {'model.type': 'amd_mm.AMD', 'model.teacher.checkpoint': 'a.pth'},
    {'custom_hooks.1.type': 'amd_mm.BadSampleHook'},
    {'custom_hooks.1._delete_': True},
    {'param_scheduler._delete_': None},  # found by fuzzing
    {'train_cfg._delete_': True, 'train_cfg.max_iters': 3},
    {'env_cfg.mp_cfg.mp_start_method': 'spawn', 'env_cfg.dist_cfg.timeout': 9},
    {'visualizer.vis_backends.0.type': 'TensorboardVisBackend'},
    {'train_dataloader.drop_last': True, 'train_dataloader.num_batch_per_epoch': 3},
])
def test_what_a_recipe_may_lack(cfg, options):
    merge_options(cfg, options)
    for key, value in options.items():
        if '_delete_' not in key:
            found = cfg
            for part in key.split('.'):
                found = found[int(part) if isinstance(found, list) else part]
            assert found == value


@pytest.mark.parametrize('key, message', [
    ('modle.backbone.depth', "got 'modle'; write 'model'"),
    ('model.bda_at', "got 'bda_at'; write 'bad_at'"),
    ('model.zzz', 'there are bad_at, bad_rank, bad_value, draws, dtype'),
    ('held_out_data.szie', "write 'size'"),
    ('train_dataloader.dataset.dataset.szie', "write 'size'"),
    ('train_dataloader.dataset.num_repeat', "write 'num_repeats'"),
    ('optim_wrapper.accumulative_count', "write 'accumulative_counts'"),
    ('optim_wrapper.optimizer.weight_deacy', "write 'weight_decay'"),
    ('param_scheduler.0.start_facor', "write 'start_factor'"),
    ('param_scheduler.2.begin', "the list param_scheduler must be from 0 to 1, got '2'"),
    ('param_scheduler.¹', "must be from 0 to 1, got '¹'"),  # found by fuzzing
    ('param_scheduler.begin', "the list param_scheduler must be from 0 to 1, got 'begin'"),
    ('train_cfg.max_epochs.most', 'train_cfg.max_epochs must have keys for one to be set, but is'),
    ('train_cfg.type', "train_cfg.type must be registered as a loop, got '3'"),
])
def test_a_key_that_nothing_reads_is_refused(cfg, key, message):
    with pytest.raises(ValueError, match=message):
        merge_options(cfg, {key: '3'})


def test_options_that_contradict_each_other_are_refused(cfg):
    with pytest.raises(ValueError, match='must not contradict each other, got model, model.bad_at'):
        merge_options(cfg, {'model': 3, 'model.bad_at': 4})


def test_a_variable_is_no_setting():
    cfg = Config(dict(moments=3, model=dict(num_moments=3)))
    with pytest.raises(ValueError, match="'moments' is a variable"):
        merge_options(cfg, dict(moments=4))
    check_keys(cfg)


@pytest.mark.parametrize('part, message', [
    (dict(model=dict(type='amd_mm.PixelDecoder', dpeth=3)),
     "model.dpeth: a key must be one that is read, got 'dpeth'; write 'depth'"),
    (dict(model=dict(type='amd_mm.PixelDecodr')), "write 'amd_mm.PixelDecoder'"),
    (dict(model=dict(mask_generator=dict(strategy=dict(type='amd_mm.MotionMasking', raech=8)))),
     "model.mask_generator.strategy.raech: .* got 'raech'; write 'reach'"),
    (dict(model=dict(mask_generator=dict(decoder_strategy=dict(type='amd_mm.RunningCel')))),
     "decoder_strategy.type must .* write 'amd_mm.RunningCellMasking'"),
    (dict(model=dict(type=3)), 'model.type must be a name or a class, got 3'),
    *((dict(model=dict(type=name)), f'must be registered as a model, got {name!r}')
      for name in ('', '.', '/', 'a.b')),  # found by fuzzing
    (dict(model=dict(type='ToyModel', _scope_=3)), 'the _scope_ of model must be the name of a'),
    (dict(randomness=dict(sed=3)), "randomness.sed: .* write 'seed'"),
    (dict(train_dataloader=dict(dataset=dict(pipeline=[dict(type='amd_mm.PyAVInt')]))),
     "train_dataloader.dataset.pipeline.0.type .* write 'amd_mm.PyAVInit'"),
])
def test_a_whole_config_is_looked_at(part, message):
    with pytest.raises(ValueError, match=message):
        check_keys(Config(part))


def test_settings_that_others_take_out_are_left_alone():
    check_keys(Config(dict(model=dict(
        type='mmpretrain.ImageClassifier', train_cfg=dict(augments=dict(type='Mixup', alpha=1)),
        backbone=dict(type='mmpretrain.VisionTransformer', norm_cfg=dict(type='LN', eps=1))))))


def test_a_runs_own_strategy_is_no_mask():
    check_keys(Config(dict(strategy=dict(type='amd_mm.ShardedStrategy', anything=1))))


def test_nearest():
    assert nearest('detph', ['depth', 'dims']) == 'depth'
    assert nearest('x', ['depth', 'dims']) is None
