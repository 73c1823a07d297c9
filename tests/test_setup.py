import re
import sys
from pathlib import Path

import pytest
import yaml
from runs import command

from amd_mm.version import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> Path:
    """The package as a wheel would hold it."""
    out = tmp_path_factory.mktemp('build')
    command('env', '-C', ROOT, sys.executable, 'setup.py', '--quiet', 'build',
            '--build-base', out, '--build-lib', out / 'lib')
    return out / 'lib'


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob('*')
            if path.is_file() and path.suffix in ('.py', '.sh', '.yml')}


def test_configs_and_tools_travel_with_the_package(built):
    mim = built / 'amd_mm' / '.mim'
    for folder in ('configs', 'tools'):
        assert files(mim / folder) == files(ROOT / folder)
    assert not list(mim.rglob('__pycache__'))


def test_no_module_is_left_behind(built):
    def modules(folder: Path) -> set[str]:
        return {name for name in files(folder) if not name.startswith('.mim')}
    assert modules(built / 'amd_mm') == modules(ROOT / 'amd_mm')


def test_a_config_inherits_ours_and_the_hosts_from_anywhere(built, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("_base_ = ['amd_mm::_base_/default_runtime.py',\n"
                      "           'mmpretrain::_base_/schedules/imagenet_bs256.py']\n")
    program = ('import sys; sys.path.insert(0, sys.argv[1]); import amd_mm\n'
               'from mmengine.config import Config\n'
               'cfg = Config.fromfile(sys.argv[2])\n'
               'print(amd_mm.__file__, cfg.custom_hooks[0].type, cfg.auto_scale_lr)')
    printed = command('env', '-C', tmp_path, sys.executable, '-c', program, built, config)
    assert f"{built}/amd_mm/__init__.py amd_mm.NonFiniteLossHook {{'base_batch_size': 256}}" \
        in printed


def test_version_changelog_and_citation_agree(built):
    changes = (ROOT / 'CHANGELOG.md').read_text()
    assert re.search(r'^## (\S+)', changes, re.MULTILINE)[1] == __version__
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text())['version'] == __version__
    assert (built / 'amd_mm' / 'py.typed').is_file()


def test_the_model_index_names_configs_that_exist():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert {str(path.relative_to(ROOT)) for path in ROOT.glob('configs/*/metafile.yml')} \
        == set(index)
    for path in index:
        for model in yaml.safe_load((ROOT / path).read_text())['Models']:
            assert (ROOT / model['Config']).is_file()
            assert model['Name'] == Path(model['Config']).stem
