import importlib.metadata
import os.path as osp
from pathlib import Path
from types import SimpleNamespace

import mmaction
import mmengine
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.visualization import MLflowVisBackend

import amd_mm
from amd_mm.compat import fix_mmengine
from amd_mm.compat.fix_mmengine import get_installed_path, is_installed, package2module


def test_installed_packages_are_found_by_either_name() -> None:
    assert is_installed('mmaction2') and is_installed('mmaction')
    assert get_installed_path('mmaction2') == get_installed_path('mmaction') == mmaction.__path__[0]
    assert package2module('mmaction2') == 'mmaction'
    assert get_installed_path('mmengine') == mmengine.__path__[0]


def test_absent_package() -> None:
    assert not is_installed('no-such-package')
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        get_installed_path('no-such-package')


def test_namespace_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'toy_namespace').mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not is_installed('toy_namespace')
    with pytest.raises(RuntimeError, match='namespace'):
        get_installed_path('toy_namespace')


def install_toy(folder: Path, *, editable: bool) -> Path:
    """Lay out a distribution toy-dist with the module toy_module as pip would."""
    metadata = folder / 'toy_dist-1.0.dist-info'
    metadata.mkdir(parents=True)
    (metadata / 'METADATA').write_text('Metadata-Version: 2.1\nName: toy-dist\nVersion: 1.0\n')
    (metadata / 'top_level.txt').write_text('toy_module\n')
    module = (folder.parent / 'checkout' if editable else folder) / 'toy_module'
    module.mkdir(parents=True)
    (module / '__init__.py').touch()
    return module


@pytest.mark.parametrize('editable', [False, True])
def test_copied_and_editable_installations(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editable: bool) -> None:
    module = install_toy(tmp_path / 'site', editable=editable)
    monkeypatch.syspath_prepend(str(tmp_path / 'site'))
    monkeypatch.syspath_prepend(str(module.parent))
    assert is_installed('toy-dist')
    assert get_installed_path('toy-dist') == get_installed_path('toy_module') == str(module)


def read_config(folder: Path, base: str) -> Config:
    path = folder / 'config.py'
    path.write_text(f'_base_ = [{base!r}]\n')
    return Config.fromfile(str(path))


@pytest.mark.parametrize('base', [
    'mmpretrain::mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py',
    'mmaction::recognition/videomae/vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400.py'])
def test_configs_of_the_hosts_are_inherited(tmp_path: Path, base: str) -> None:
    assert 'type' in read_config(tmp_path, base).model


def test_our_configs_are_inherited(tmp_path: Path) -> None:
    config = read_config(tmp_path, 'amd_mm::_base_/default_runtime.py')
    path = Path(__file__).parents[2] / 'configs' / '_base_' / 'default_runtime.py'
    assert config.randomness == Config.fromfile(str(path)).randomness


@pytest.mark.slow
def test_a_config_inherited_through_our_scope_is_the_config(tmp_path: Path) -> None:
    configs = Path(__file__).parents[2] / 'configs'
    recipes = [path for folder in ('amd', 'finetune', 'probe', 'detection')
               for path in sorted((configs / folder).glob('*.py'))[::4]]
    assert len(recipes) > 10
    for path in recipes:
        inherited = read_config(tmp_path, f'amd_mm::{path.relative_to(configs)}')
        assert inherited._cfg_dict == Config.fromfile(path)._cfg_dict, path.name


def test_our_configs_are_inherited_in_a_checkout_without_mim(tmp_path: Path, run_python) -> None:
    checkout = tmp_path / 'checkout'
    (checkout / 'configs' / 'toy').mkdir(parents=True)
    (checkout / 'configs' / 'toy' / 'base.py').write_text('value = 7\n')
    package = checkout / 'amd_mm'
    package.mkdir()
    for name in ('__init__.py', 'version.py', 'compat'):
        (package / name).symlink_to(osp.join(amd_mm.__path__[0], name))
    (tmp_path / 'config.py').write_text("_base_ = ['amd_mm::toy/base.py']\n")
    (tmp_path / 'wrong.py').write_text("_base_ = ['amd_mm::toy/bad.py']\n")
    code = '''
import amd_mm
from mmengine.config import Config
print(Config.fromfile('config.py').value)
Config.fromfile('wrong.py')
'''
    done = run_python(f'import os; os.chdir({str(tmp_path)!r})' + code, checkout)
    assert done.stdout == '7\n', done.stderr
    assert 'FileNotFoundError' in done.stderr and 'toy/bad.py' in done.stderr


def test_pkg_resources_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_pkg_resources() -> object:
        import pkg_resources
        return pkg_resources

    def without() -> None:
        pass

    names = ('is_installed', 'get_installed_path', 'package2module')
    old = SimpleNamespace(**dict.fromkeys(names, with_pkg_resources))
    new = SimpleNamespace(**dict.fromkeys(names, without))
    check = fix_mmengine._needs_pkg_resources
    assert not check(new).needed
    monkeypatch.setattr(fix_mmengine.importlib.util, 'find_spec', lambda name: None)
    assert check(old).needed
    monkeypatch.setattr(fix_mmengine.importlib.util, 'find_spec', lambda name: object())
    monkeypatch.setattr(fix_mmengine, 'is_installed', lambda name: False)
    assert not check(old).needed


@pytest.mark.parametrize('compile_, backends', [
    (True, [None]), (dict(backend='eager'), ['eager']), (False, [])])
def test_compile_is_of_the_networks_where_a_model_knows_them(compile_, backends) -> None:
    found, texts = [], []
    model = SimpleNamespace(compile_networks=lambda backend=None: found.append(backend))
    runner = SimpleNamespace(
        model=model, cfg=dict(compile=compile_), logger=SimpleNamespace(info=texts.append))
    mmengine.runner.Runner._maybe_compile(runner, 'train_step')
    runner.model = SimpleNamespace(module=model)
    mmengine.runner.Runner._maybe_compile(runner, 'train_step')
    assert found == 2 * backends and len(texts) == 2 * len(backends)


def test_compile_of_other_models_is_the_hosts() -> None:
    runner = SimpleNamespace(
        model=SimpleNamespace(train_step=lambda x: x + 1), cfg=dict(compile=dict(backend='eager')),
        logger=SimpleNamespace(info=lambda text: None))
    mmengine.runner.Runner._maybe_compile(runner, 'train_step')
    assert hasattr(runner.model.train_step, '_torchdynamo_orig_callable')
    assert runner.model.train_step(1) == 2


def test_base_lr_is_scaled_with_lr() -> None:
    """Once, whatever the groups' own rates are; a run that scales nothing is left alone."""
    weights = [torch.zeros(1), torch.zeros(1)]
    runner = SimpleNamespace(_train_dataloader=dict(batch_size=2), world_size=3,
                             param_schedulers=None, logger=SimpleNamespace(info=str))
    for enable, factor in ((True, .75), (False, 1.)):
        wrapper = OptimWrapper(torch.optim.SGD(
            [dict(params=weights[:1], lr=.2), dict(params=weights[1:])], lr=.1))
        mmengine.runner.Runner.scale_lr(runner, wrapper, dict(enable=enable, base_batch_size=8))
        assert wrapper.get_lr()['base_lr'] == pytest.approx([.1 * factor])
        assert wrapper.get_lr()['lr'][:2] == pytest.approx([.2 * factor, .1 * factor])


def test_a_picture_for_mlflow_has_a_name_with_a_format() -> None:
    named = []
    backend = object.__new__(MLflowVisBackend)
    backend._env_initialized = True
    backend._mlflow = SimpleNamespace(log_image=lambda image, name: named.append((image, name)))
    backend.add_image('reconstruction', 'pixels', step=30)
    backend.add_image('a.png', 'others', step=30)
    assert named == [('pixels', 'reconstruction/00000030.png'), ('others', 'a.png')]
