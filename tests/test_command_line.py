import sys

import pytest
from mmengine.config import Config

from amd_mm.command_line import enable_amp, read_config_file


def test_amp_turns_on_bfloat16_without_a_loss_scale():
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=1), accumulative_counts=2)))
    enable_amp(cfg)
    assert cfg.optim_wrapper.to_dict() == dict(
        type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False),
        optimizer=dict(type='SGD', lr=1), accumulative_counts=2)


def test_amp_leaves_a_config_that_has_it():
    wrapper = dict(type='mmengine.AmpOptimWrapper', dtype='float16', loss_scale='dynamic')
    cfg = Config(dict(optim_wrapper=wrapper))
    enable_amp(cfg)
    assert cfg.optim_wrapper.to_dict() == wrapper


def test_amp_refuses_another_wrapper():
    with pytest.raises(ValueError, match='got ApexOptimWrapper'):
        enable_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A config that imports a module, in a folder that nothing else leads to."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    (tmp_path / 'here').mkdir()
    config = tmp_path / 'here/config.py'
    config.write_text("custom_imports = dict(imports=['my_own_part'])\n")
    yield config
    sys.modules.pop('my_own_part', None)


@pytest.mark.parametrize('folder', ['here', '.'])
def test_what_a_config_imports_is_found_beside_it_and_in_the_current_folder(
        own, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder / 'my_own_part.py').write_text('')
    read_config_file(own)
    assert sys.modules['my_own_part'].__file__ == str(tmp_path / folder / 'my_own_part.py')


def test_a_file_beside_a_config_hides_no_package(own):
    own.with_name('json.py').write_text('raise RuntimeError')
    own.write_text("custom_imports = dict(imports=['json'])\n")
    read_config_file(own)


@pytest.mark.parametrize('text, message', [
    (None, "importable, but ModuleNotFoundError was raised: No module named 'my_own_part'; put the "
           'file beside the config or into the current folder'),
    ('import nowhere', "config.py: what custom_imports names must be importable, but "
                       "ModuleNotFoundError was raised: No module named 'nowhere'"),
    ('a = (', r'my_own_part.py: what a config imports must be Python, but line 1 is not')])
def test_what_is_wrong_with_an_import_is_said(own, text, message):
    if text is not None:
        own.with_name('my_own_part.py').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config_file(own)
