"""`report=` of a config."""
import pytest
from mmengine.config import Config
from recipes import CONFIGS

from amd_mm.config_keys import check_keys, merge_options
from amd_mm.config_values import check_values
from amd_mm.engine.report_option import settle_report

LOCK, REPORT = dict(type='amd_mm.WorkDirLockHook'), dict(type='amd_mm.ReportHook')


@pytest.mark.parametrize('hooks, report, expected', [
    ([REPORT, LOCK], None, [REPORT, LOCK]),
    ([REPORT, LOCK], False, [LOCK]),
    ([dict(REPORT, num_samples=2), LOCK], dict(knn='data/a'),
     [LOCK, dict(REPORT, num_samples=2, knn='data/a')]),
    ([LOCK], dict(), [LOCK, REPORT]),
    ([LOCK], False, [LOCK]),
    (None, dict(knn='data/a'), [dict(REPORT, knn='data/a')]),
])
def test_it_sets_adds_and_takes_away_the_hook(hooks, report, expected):
    cfg = Config(dict(custom_hooks=hooks, report=report))
    settle_report(cfg)
    assert cfg.custom_hooks == expected
    before = cfg.to_dict()
    settle_report(cfg)
    assert cfg.to_dict() == before


def test_a_misspelt_argument_is_found_as_the_hooks():
    cfg = Config.fromfile(CONFIGS / 'quickstart/pretrain_teacher.py')
    merge_options(cfg, {'report.kn': 'data/a'})
    settle_report(cfg)
    with pytest.raises(ValueError, match="got 'kn'; write 'knn'"):
        check_keys(cfg)


@pytest.mark.parametrize('value', ['yes', True, 3])
def test_what_is_no_option_is_refused(value):
    cfg = Config(dict(custom_hooks=[REPORT], report=value))
    settle_report(cfg)
    assert cfg.custom_hooks == [REPORT]
    with pytest.raises(ValueError, match='report must be False, or a dict, or None, got '):
        check_values(cfg)


def test_it_is_on_in_every_recipe():
    found = 0
    for path in sorted(CONFIGS.rglob('*.py')):
        if '_base_' in path.parts:
            continue
        cfg = Config.fromfile(path)
        if 'train_dataloader' in cfg:
            found += 1
            assert [hook.type for hook in cfg.custom_hooks].count('amd_mm.ReportHook') == 1, path
    assert found >= 40
