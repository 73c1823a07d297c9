from mmengine.config import Config

from amd_mm.command.config_file import Code, config_text, merged, nested


def test_settings_are_merged_key_by_key():
    one = dict(model=dict(a=1, b=dict(c=2)), size=3)
    assert merged(one, dict(model=dict(b=dict(d=4)), size=5)) == dict(
        model=dict(a=1, b=dict(c=2, d=4)), size=5)
    assert one == dict(model=dict(a=1, b=dict(c=2)), size=3)


def test_options_become_nested_and_a_list_stands_whole():
    cfg = Config(dict(data=dict(steps=[dict(type='A', n=1), dict(type='B', n=2)]), model=dict()))
    options = {'data.steps.1.n': 5, 'model.depth': 2, 'model.arch.width': 24}
    cfg.merge_from_dict(options)
    assert nested(options, cfg) == dict(
        data=dict(steps=[dict(type='A', n=1), dict(type='B', n=5)]),
        model=dict(depth=2, arch=dict(width=24)))


def test_the_text_is_the_config(tmp_path):
    (tmp_path / 'base.py').write_text('rate = 4\nmodel = dict(a=1, part=3)\n')
    settings = dict(
        size=64, rate=Code('_base_.rate / 2'), taps=(3, ), odd={'a.b': [1, 'x' * 90]},
        model=dict(part=dict(_delete_=True, path="it's", none=None, long='y' * 80)))
    text = config_text('One.\nTwo.', './base.py', settings)
    assert text.startswith("# One.\n# Two.\n_base_ = ['./base.py']\nsize = 64\nrate = _base_.rate")
    assert max(map(len, text.splitlines())) <= 110
    (tmp_path / 'config.py').write_text(text)
    assert Config.fromfile(tmp_path / 'config.py').to_dict() == dict(
        size=64, rate=2., taps=(3, ), odd={'a.b': [1, 'x' * 90]},
        model=dict(a=1, part=dict(path="it's", none=None, long='y' * 80)))
