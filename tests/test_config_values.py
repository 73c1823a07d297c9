import pytest
from mmengine.config import Config
from recipes import RECIPES
from runs import toy_config

from amd_mm.config_values import check_values, require


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_the_recipes_hold(path):
    check_values(Config.fromfile(path))


@pytest.mark.parametrize('key, value, rule', [
    ('train_dataloader.batch_size', 0, 'a whole number, at least 1'),
    ('val_dataloader.num_workers', -1, 'a whole number, at least 0'),
    ('train_cfg.max_epochs', 2.5, 'a whole number, at least 1'),
    ('train_cfg.val_interval', 0, 'a whole number, at least 1'),
    ('optim_wrapper.optimizer.lr', 'high', 'a finite number, at least 0'),
    ('optim_wrapper.dtype', 'float15', "one of 'float16'"),
    ('log_level', 'LOUD', "one of 'CRITICAL'"),
    ('randomness.seed', -1, 'a whole number, at least 0'),
    ('model', 3, 'one config, a dict with a type'),
    ('custom_hooks', 'all', 'a list'),
    ('param_scheduler', 1, 'a dict, or a list'),
])
def test_a_value_out_of_range_is_refused(tmp_path, key, value, rule):
    cfg = toy_config(tmp_path)
    cfg.val_dataloader = dict(cfg.test_dataloader)
    check_values(cfg)
    cfg.merge_from_dict({key: value})
    with pytest.raises(ValueError, match=f'^{key} must be .*{rule}.*, got {value!r}; set it'):
        check_values(cfg)


def test_required_keys_are_named_together():
    cfg = Config(dict(model=dict(type='A'), train_cfg=None))
    require(cfg, 'model')
    with pytest.raises(ValueError, match='has no train_cfg, optim_wrapper; add it'):
        require(cfg, 'model', 'train_cfg', 'optim_wrapper')
