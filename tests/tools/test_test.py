import json
import runpy
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.fileio import load
from runs import run, toy_config, weights
from toys import ToyData, ToyModel
from unsafe_files import Bomb, serving

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> Path:
    cfg = toy_config(tmp_path_factory.mktemp('trained'))
    run(cfg)
    # What a config for training may say must not change which weights are tested.
    cfg.resume = True
    cfg.dump(Path(cfg.work_dir, 'toy.py'))
    return Path(cfg.work_dir)


def evaluate(monkeypatch, config: Path, checkpoint: Path | str, out: Path,
             *arguments: str) -> float:
    """Runs tools/test.py in this process; returns the error it reports."""
    monkeypatch.setattr(
        sys, 'argv', ['test.py', str(config), str(checkpoint), '--work-dir', str(out),
                      *arguments, '--cfg-options', f'experiment_name={out.name}'])
    monkeypatch.setenv('LOCAL_RANK', '0')
    # What the command itself raises, before it becomes a paragraph.
    runpy.run_path(str(TOOLS / 'test.py'))['main'].__wrapped__()
    return json.loads(next(out.glob('*/*.json')).read_text())['error']


def expected_error(work_dir: Path, checkpoint: str) -> float:
    model = ToyModel()
    model.load_state_dict(torch.load(work_dir / checkpoint, weights_only=False)['state_dict'])
    data = ToyData(6, str(work_dir / 'by_hand.txt'))
    samples = [data[index] for index in range(6)]
    with torch.no_grad():
        results = model([sample['inputs'] for sample in samples],
                        [sample['data_samples'] for sample in samples], mode='predict')
    return float(sum(result['error'] for result in results) / 6)


@pytest.mark.parametrize('checkpoint', ['epoch_1.pth', 'epoch_2.pth'])
def test_tests_the_checkpoint_it_is_given(monkeypatch, trained, tmp_path, checkpoint):
    out = tmp_path / checkpoint
    error = evaluate(monkeypatch, trained / 'toy.py', trained / checkpoint, out,
                     '--dump', str(tmp_path / 'predictions.pkl'))
    assert error == pytest.approx(expected_error(trained, checkpoint), rel=1e-6)
    assert len(load(tmp_path / 'predictions.pkl')) == 6


def test_a_checkpoint_without_all_weights_is_refused(monkeypatch, trained, tmp_path):
    cfg = toy_config(trained)
    state = weights(cfg, 'epoch_2.pth')
    del state['net.2.weight']
    state['net.2.bias'] = state['net.2.bias'][:2]
    torch.save(dict(state_dict=state), tmp_path / 'pretrained.pth')
    with pytest.raises(ValueError, match=r'not in the checkpoint: net.2.weight; of another shape: '
                                         r'net.2.bias \(checkpoint \(2,\), model \(6,\)\)'):
        evaluate(monkeypatch, trained / 'toy.py', tmp_path / 'pretrained.pth', tmp_path / 'out')


@pytest.mark.parametrize('content', [
    'holds itself', dict(state_dict=[1]), [1], dict(state_dict={'net.2.weight': 7}),
    {1: torch.ones(1)}])
def test_a_checkpoint_without_weights_is_refused(monkeypatch, trained, tmp_path, content):
    if content == 'holds itself':
        content = {}
        content['state_dict'] = content
    torch.save(content, tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match='must hold names and tensors'):
        evaluate(monkeypatch, trained / 'toy.py', tmp_path / 'odd.pth', tmp_path / 'out')


def test_an_address_is_tested_and_not_run(monkeypatch, trained, tmp_path):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    torch.save(dict(state_dict={}, more=Bomb(tmp_path / 'executed')), tmp_path / 'evil.pth')
    (tmp_path / 'good.pth').write_bytes((trained / 'epoch_2.pth').read_bytes())
    with serving(tmp_path) as address:
        error = evaluate(monkeypatch, trained / 'toy.py', f'{address}/good.pth', tmp_path / 'out')
        with pytest.raises(ValueError, match='must hold weights only.*--trust.*downloaded from'):
            evaluate(monkeypatch, trained / 'toy.py', f'{address}/evil.pth', tmp_path / 'again')
    assert error == pytest.approx(expected_error(trained, 'epoch_2.pth'), rel=1e-6)
    assert not (tmp_path / 'executed').exists()


def test_a_file_that_would_fill_the_memory_is_refused(monkeypatch, trained, tmp_path):
    with zipfile.ZipFile(trained / 'epoch_2.pth') as old, zipfile.ZipFile(
            tmp_path / 'packed.pth', 'w', zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ValueError, match='compressed again'):
        evaluate(monkeypatch, trained / 'toy.py', tmp_path / 'packed.pth', tmp_path / 'out')
