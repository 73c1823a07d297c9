import pytest

from amd_mm.checkpoints.saved_config import saved_config

TEXT = """
optim_wrapper = dict(optimizer=dict(lr=0.1, betas=(0.9, 0.95)),
                     paramwise_cfg={'decay': None})
param_scheduler = [dict(type='LinearLR', end=5), dict(begin=5, milestones=[1, 2])]
danger = __import__('os').system('touch harm')
named = optim_wrapper
model = {'deep': dict(f=None), **danger}
"""


def test_values_are_read_and_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert saved_config(dict(cfg=TEXT)) == dict(
        optim_wrapper=dict(optimizer=dict(lr=.1, betas=(.9, .95)),
                           paramwise_cfg=dict(decay=None)),
        param_scheduler=[dict(type='LinearLR', end=5), dict(begin=5, milestones=[1, 2])],
        danger=None, named=None, model=dict(deep=dict(f=None)))
    assert not list(tmp_path.iterdir())


def test_what_is_no_config_is_empty():
    for meta in ({}, dict(cfg=None), dict(cfg='a = ('), dict(cfg='(' * 9999)):
        assert saved_config(meta) == {}


@pytest.mark.parametrize('text', ['a={[1]}', 'a={{1:2}: 3}', 'a=' + '-' * 5000 + '1', 'a=9**9**9',
                                  "a='x' * 10**10", 'a={**b}'])
def test_what_is_no_value_is_not_computed(text: str) -> None:
    assert saved_config({'cfg': text}).get('a') in (None, {})
