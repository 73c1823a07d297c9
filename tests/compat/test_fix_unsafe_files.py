import importlib
import pickle
from io import BytesIO, StringIO
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import load_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn
from unsafe_files import Bomb, serving

from amd_mm.compat import fix_unsafe_files
from amd_mm.compat.plain_pickle import NotPlain


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch.hub."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    monkeypatch.setattr(torch.hub, '_hub_dir', None)
    return tmp_path / 'hub'


def test_what_an_address_serves_is_not_run(hub: Path, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / 'executed'
    torch.save(dict(state_dict={}, more=Bomb(trace)), tmp_path / 'evil.pth')
    refusal = 'must hold weights only, but it wants .*Nothing in it was executed.*--trust'
    with serving(tmp_path) as address:
        names = dict(model=f'{address}/evil.pth')
        for function in ('get_torchvision_models', 'get_external_models', 'get_mmcls_models'):
            monkeypatch.setattr(f'mmengine.runner.checkpoint.{function}', lambda: names)
        for place in (names['model'], 'torchvision://model', 'modelzoo://model',
                      'openmmlab://model', 'open-mmlab://model', 'mmcls://model'):
            with pytest.raises(pickle.UnpicklingError, match=refusal):
                CheckpointLoader.load_checkpoint(place)
            with pytest.raises(pickle.UnpicklingError, match=refusal):
                load_checkpoint(nn.Linear(1, 1), place)
            module = BaseModule(dict(type='Pretrained', checkpoint=place))
            with pytest.raises(pickle.UnpicklingError, match=refusal):
                module.init_weights()
        # what torchvision and timm hold by another name
        for load in (torch.hub.load_state_dict_from_url, torch.utils.model_zoo.load_url):
            with pytest.raises(pickle.UnpicklingError, match='Weights only load failed'):
                load(names['model'])
    assert not trace.exists()


def test_weights_of_an_address_are_loaded(hub: Path, tmp_path: Path) -> None:
    torch.save(dict(state_dict={'weight': torch.full((1, 1), 3.), 'bias': torch.ones(1)}),
               tmp_path / 'good.pth')
    model = nn.Linear(1, 1)
    with serving(tmp_path) as address:
        load_checkpoint(model, f'{address}/good.pth')
    assert model.weight.item() == 3
    load_checkpoint(model, f'{address}/good.pth')  # from the cache: nobody serves it any more


def test_pickles_of_a_host_are_not_run(tmp_path: Path) -> None:
    trace = tmp_path / 'executed'
    path = tmp_path / 'proposals.pkl'
    path.write_bytes(pickle.dumps({'a,0902': Bomb(trace)}))
    with pytest.raises(ValueError, match=r'proposals\.pkl: a data file must .*wants pathlib'):
        mmengine.load(str(path))
    with pytest.raises(NotPlain):
        mmengine.load(BytesIO(path.read_bytes()), file_format='pickle')
    with serving(tmp_path) as address, pytest.raises(ValueError, match='http.*pkl: a data file'):
        mmengine.load(f'{address}/proposals.pkl')
    with pytest.raises(NotPlain):
        importlib.import_module('mmpretrain.datasets.cifar').pickle.loads(
            path.read_bytes(), encoding='latin1')
    assert not trace.exists()


def test_a_damaged_pickle_is_named(tmp_path: Path) -> None:
    content = pickle.dumps({'a,0902': np.ones((2, 4))})
    for kept in (0, 5, len(content) - 1):
        (tmp_path / 'a.pkl').write_bytes(content[:kept])
        with pytest.raises(ValueError, match=r'a\.pkl: .* must be whole, but .* cut off'):
            mmengine.load(str(tmp_path / 'a.pkl'))


def test_what_a_host_dumps_it_loads(tmp_path: Path) -> None:
    data = {'boxes': np.arange(8.).reshape(2, 4), 'names': ['a', 'b'], 'of': (1, 2)}
    for name in ('a.pkl', 'a.pickle'):
        mmengine.dump(data, tmp_path / name)
        found = mmengine.load(tmp_path / name)
        assert np.array_equal(found.pop('boxes'), data['boxes'])
        assert found == {'names': ['a', 'b'], 'of': (1, 2)}
    for name in ('a.yml', 'a.yaml', 'a.json'):
        mmengine.dump({'names': ['a', 'b'], 'of': {'x': 1.5}}, tmp_path / name)
        assert mmengine.load(tmp_path / name) == {'names': ['a', 'b'], 'of': {'x': 1.5}}
    mmengine.dump({'of': (1, 2)}, tmp_path / 'b.yml')
    assert mmengine.load(tmp_path / 'b.yml') == {'of': (1, 2)}


@pytest.mark.parametrize('tag', ['object/apply:pathlib.Path.touch', 'name:os.getcwd',
                                 'object/new:os.system', 'module:os', 'object:pathlib.Path'])
def test_yaml_is_not_run(tag: str, tmp_path: Path) -> None:
    (tmp_path / 'a.yml').write_text(f'a: !!python/{tag} [{tmp_path}/executed]\n'.replace(
        f' [{tmp_path}/executed]', f' [{tmp_path}/executed]' if ':os' not in tag else ''))
    with pytest.raises(ValueError, match=r'a\.yml: a data file must hold .*python/'):
        mmengine.load(str(tmp_path / 'a.yml'))
    with pytest.raises(ValueError, match='python/'):
        mmengine.Config.fromfile(tmp_path / 'a.yml')
    assert not (tmp_path / 'executed').exists()


def test_arrays_of_mmdet_are_not_run(tmp_path: Path) -> None:
    openimages = importlib.import_module('mmdet.datasets.openimages')
    trace = tmp_path / 'executed'
    np.save(tmp_path / 'a.npy', np.array([Bomb(trace)], object), allow_pickle=True)
    np.save(tmp_path / 'b.npy', np.eye(3))
    read = openimages.OpenImagesChallengeDataset._get_relation_matrix
    host = type('Host', (), dict(backend_args=None))()
    with pytest.raises(ValueError, match='allow_pickle'):
        read(host, str(tmp_path / 'a.npy'))
    assert not trace.exists()
    assert np.array_equal(read(host, str(tmp_path / 'b.npy')), np.eye(2))


def test_verdicts_look_at_behaviour() -> None:
    """Mended hosts need nothing more."""
    from mmengine.fileio import io
    from mmengine.fileio.handlers import yaml_handler
    from mmengine.runner import checkpoint
    from mmpretrain.datasets import cifar
    assert not fix_unsafe_files._hub_runs_files(torch).needed
    assert not fix_unsafe_files._runs_pickles(io).needed
    assert fix_unsafe_files._advises_to_run(checkpoint).needed  # below the loader of all places
    assert not fix_unsafe_files._runs_yaml(yaml_handler).needed
    assert not fix_unsafe_files._mixes_up_addresses(checkpoint).needed
    assert not fix_unsafe_files._uses_pickle(cifar).needed
    assert yaml_handler.YamlHandler().load_from_fileobj(StringIO('a: [1]')) == {'a': [1]}
