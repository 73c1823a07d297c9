"""Any config and any option: read, or refused in words; never another exception."""
import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from runs import toy_config

from amd_mm.command_line import add_config_arguments, read_config_file
from amd_mm.config_keys import check_keys, merge_options
from amd_mm.config_values import check_values
from amd_mm.failures import describe

# Words of a real config, near misses among them, and any others.
WORDS = st.one_of(
    st.sampled_from(['model', 'modle', 'type', 'train_dataloader', 'dataset', 'pipeline', '0', '7',
                     'batch_size', 'batch_sze', 'optim_wrapper', 'optimizer', 'lr', 'train_cfg',
                     'max_epochs', 'custom_hooks', 'default_hooks', 'env_cfg', 'mp_cfg', '_delete_',
                     'randomness', 'seed', 'held_out_data', 'param_scheduler', '_scope_']),
    st.text(st.characters(blacklist_characters='.=', blacklist_categories=['Cs']), min_size=1,
            max_size=4))
KEYS = st.lists(WORDS, min_size=1, max_size=4).map('.'.join)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
                  st.sampled_from(['ToyModel', 'amd_mm.AMD', 'SGD', 'mmpretrain.', '.', 'a.b.c']))
VALUES = st.recursive(PLAIN, lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)), max_leaves=6)


@pytest.fixture(scope='module')
def toy(tmp_path_factory) -> dict:
    return toy_config(tmp_path_factory.mktemp('toy')).to_dict()


@given(options=st.dictionaries(
    KEYS, st.one_of(PLAIN, st.lists(PLAIN, max_size=3)), min_size=1, max_size=3))
def test_any_option_is_merged_or_refused(toy, options):
    cfg = Config(toy)
    try:
        merge_options(cfg, options)
    except ValueError as error:
        assert any(key.partition('.')[0] in str(error) for key in options)


@given(content=st.dictionaries(WORDS, VALUES, max_size=4))
def test_any_config_is_checked_or_refused(toy, content):
    content.pop('_scope_', None)
    cfg = Config(dict(toy, **content))
    for check in (check_keys, check_values):
        try:
            check(cfg)
        except ValueError as error:
            assert str(error)


@given(words=st.lists(st.text(max_size=12), min_size=1, max_size=3))
def test_any_words_are_options_or_a_usage_error(words):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser, 'config')
    try:
        found = parser.parse_args(['config.py', '--cfg-options', *words]).cfg_options
    except SystemExit as stop:
        assert stop.code in (0, 2)  # 0: -h
    else:
        assert all(key for key in found)


@given(text=st.one_of(st.binary(max_size=40), st.builds(
    lambda lines: '\n'.join(lines).encode(), st.lists(st.one_of(
        st.builds('{} = {!r}'.format, st.sampled_from(['a', 'model', '_base_', 'custom_imports']),
                  PLAIN),
        st.text(max_size=10)), max_size=3))))
def test_any_text_is_a_config_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp('config') / 'config.py'
    path.write_bytes(text)
    try:
        read_config_file(path)
    except ValueError as error:
        assert describe(error)[1] == 2 and str(path) in str(error)
