"""Reading: every envelope, nothing executed, and damage said as what it is."""
import argparse
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file
from unsafe_files import Bomb, serving

import amd_mm  # noqa: F401  allow-lists what MMEngine's checkpoints hold
from amd_mm.checkpoints import read_checkpoint, read_state_dict

WEIGHTS = {'norm.weight': torch.arange(6.), 'norm.bias': torch.ones(6)}


def assert_weights(state: dict) -> None:
    assert state.keys() == WEIGHTS.keys()
    assert all(torch.equal(state[name], value) for name, value in WEIGHTS.items())


@pytest.mark.parametrize('content', [
    WEIGHTS, {'model': WEIGHTS}, {'module': WEIGHTS}, {'state_dict': WEIGHTS},
    {'model_state': WEIGHTS}, {'model': {'module': WEIGHTS}},
    {'model': WEIGHTS, 'epoch': 3, 'optimizer': {'state': {}, 'param_groups': []}},
    {name: torch.nn.Parameter(value) for name, value in WEIGHTS.items()},
], ids=['bare', 'model', 'module', 'state_dict', 'model_state', 'nested', 'training', 'parameter'])
@pytest.mark.parametrize('zipped', [True, False])
def test_unwraps(content: dict, zipped: bool, tmp_path: Path) -> None:
    torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    state = read_state_dict(tmp_path / 'a.pth')
    assert_weights(state)
    assert not any(value.requires_grad for value in state.values())


def test_reads_the_arguments_of_released_training_code(tmp_path: Path) -> None:
    torch.save({'model': WEIGHTS, 'args': argparse.Namespace(num_frames=16)}, tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth').meta['args'] == {'num_frames': 16}


def test_reads_checkpoints_of_mmengine(tmp_path: Path) -> None:
    history = HistoryBuffer([1., 2.], [1, 1])
    torch.save({'state_dict': WEIGHTS, 'meta': {'cfg': 'model = dict()'},
                'message_hub': {'log_scalars': {'loss': history}}}, tmp_path / 'a.pth')
    checkpoint = read_checkpoint(tmp_path / 'a.pth')
    assert_weights(checkpoint.state_dict)
    assert checkpoint.meta['meta']['cfg'] == 'model = dict()'


def test_reads_safetensors_and_folders(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / 'model.safetensors')
    assert_weights(read_state_dict(tmp_path / 'model.safetensors'))
    (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'vit'}))
    checkpoint = read_checkpoint(tmp_path)
    assert_weights(checkpoint.state_dict)
    assert checkpoint.config == {'model_type': 'vit'}


def test_reads_folders_in_pieces(tmp_path: Path) -> None:
    (tmp_path / 'config.json').write_text('{}')
    for index, (name, value) in enumerate(WEIGHTS.items()):
        save_file({name: value}, tmp_path / f'{index}.safetensors')
    (tmp_path / 'model.safetensors.index.json').write_text(json.dumps({'weight_map': {
        name: f'{index}.safetensors' for index, name in enumerate(WEIGHTS)}}))
    assert_weights(read_state_dict(tmp_path))
    (tmp_path / '1.safetensors').unlink()
    with pytest.raises(ValueError, match='missing are 1.safetensors'):
        read_state_dict(tmp_path)


def test_maps_the_file_instead_of_reading_it(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / 'a.pth')
    state = read_state_dict(tmp_path / 'a.pth')
    assert str(tmp_path / 'a.pth') in Path('/proc/self/maps').read_text()
    assert_weights(state)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_file_that_wants_classes_is_refused_and_not_run(zipped: bool, tmp_path: Path) -> None:
    trace = tmp_path / 'executed'
    torch.save({'model': WEIGHTS, 'more': Bomb(trace)}, tmp_path / 'a.pth',
               _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match='must hold weights only.*--trust'):
        read_state_dict(tmp_path / 'a.pth')
    assert not trace.exists()
    assert_weights(read_state_dict(tmp_path / 'a.pth', trust=True))
    assert trace.exists()


def test_arrays_of_objects_are_not_called_damage(tmp_path: Path) -> None:
    history = HistoryBuffer(np.array([None]), [1])
    torch.save({'state_dict': WEIGHTS, 'message_hub': history}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match="must hold weights only, but .* an array of 'O8'"):
        read_state_dict(tmp_path / 'a.pth')


def test_a_plain_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / 'executed'
    (tmp_path / 'a.pth').write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(ValueError, match='Checkpoint .*a.pth'):
        read_state_dict(tmp_path / 'a.pth')
    assert not trace.exists()


def _truncated(path: Path, zipped: bool = True, keep: float = .5) -> None:
    torch.save({'model': {'w': torch.randn(5000)}}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[:int(len(content) * keep)])


@pytest.mark.parametrize('keep', [.1, .5, .99])
@pytest.mark.parametrize('zipped', [True, False])
def test_truncated(zipped: bool, keep: float, tmp_path: Path) -> None:
    _truncated(tmp_path / 'a.pth', zipped, keep)
    with pytest.raises(ValueError, match='truncated or damaged at [0-9]+ bytes'):
        read_state_dict(tmp_path / 'a.pth')


def test_truncated_safetensors(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / 'a.safetensors')
    content = (tmp_path / 'a.safetensors').read_bytes()
    (tmp_path / 'a.safetensors').write_bytes(content[:-8])
    with pytest.raises(ValueError, match='truncated or damaged'):
        read_state_dict(tmp_path / 'a.safetensors')


@pytest.mark.parametrize(('content', 'message'), [
    (b'', r'empty \(0 bytes\)'),
    (b'<!DOCTYPE html><html><body>404</body></html>', 'web page'),
    (b'\n <html>', 'web page'),
    (b'version https://git-lfs.github.com/spec/v1\noid', 'Git LFS pointer'),
    (b'\x89HDF\r\n\x1a\n' + bytes(100), 'must be a torch or safetensors file'),
    (b'just text that goes on', 'must be a torch or safetensors file'),
])
def test_other_files(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / 'a.pth').write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_state_dict(tmp_path / 'a.pth')


@pytest.mark.parametrize(('content', 'message'), [
    ({}, 'an empty mapping'), ([1, 2], 'found list'), ({'model': {'a': 1}}, "'a': int"),
    ({'a': torch.ones(1), 'epoch': 3}, "'epoch': int")])
def test_no_weights_inside(content, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=message):
        read_state_dict(tmp_path / 'a.pth')


def test_missing_paths_and_files_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='nothing at this path'):
        read_state_dict(tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='with config.json, but it holds nothing'):
        read_state_dict(tmp_path)
    (tmp_path / 'config.json').write_text('{')
    with pytest.raises(ValueError, match='must be JSON'):
        read_state_dict(tmp_path)
    (tmp_path / 'config.json').write_text('{}')
    with pytest.raises(ValueError, match='must hold one of model.safetensors'):
        read_state_dict(tmp_path)


@pytest.mark.parametrize('place', [
    '../secret', '../../../etc/passwd', '/etc/passwd', 'sub/a.safetensors', '..', '', 'a\\b', 7,
    None, ['a']])
def test_an_index_leads_out_of_no_folder(place: object, tmp_path: Path) -> None:
    folder = tmp_path / 'model'
    (folder / 'sub').mkdir(parents=True)
    (tmp_path / 'secret').write_bytes(b'PASSWORD')
    save_file(WEIGHTS, folder / 'sub' / 'a.safetensors')
    (folder / 'config.json').write_text('{}')
    (folder / 'model.safetensors.index.json').write_text(
        json.dumps({'weight_map': {'norm.weight': place}}))
    with pytest.raises(ValueError, match='must name files of its own folder') as error:
        read_state_dict(folder)
    assert 'PASSW' not in str(error.value)


@pytest.mark.parametrize('index', ['[]', '{}', '{"weight_map": []}', '{"weight_map": {}}', '7',
                                   '{"weight_map": "a"}', '[' * 100_000, '{', '\xff'])
@pytest.mark.parametrize('name', ['model.safetensors.index.json', 'config.json'])
def test_odd_json_of_a_folder(index: str, name: str, tmp_path: Path) -> None:
    (tmp_path / 'config.json').write_text('{}')
    (tmp_path / name).write_bytes(index.encode('latin-1'))
    with pytest.raises(ValueError, match='Checkpoint .*must'):
        read_state_dict(tmp_path)


def test_addresses_are_read_by_the_same_rules(tmp_path: Path,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    trace = tmp_path / 'executed'
    torch.save({'model': WEIGHTS, 'more': Bomb(trace)}, tmp_path / 'evil.pth')
    torch.save({'model': WEIGHTS}, tmp_path / 'good.pth')
    (tmp_path / 'page.pth').write_text('<!doctype html>')
    with serving(tmp_path) as address:
        assert_weights(read_state_dict(f'{address}/good.pth'))
        assert_weights(read_state_dict(Path(f'{address}/good.pth')))
        with pytest.raises(ValueError, match='must hold weights only.*downloaded from http://127'):
            read_state_dict(f'{address}/evil.pth')
        with pytest.raises(ValueError, match='web page.*delete it there'):
            read_state_dict(f'{address}/page.pth')
        with pytest.raises(ValueError, match='http://127.*/none.pth: must be an address that.*404'):
            read_state_dict(f'{address}/none.pth')
    assert not trace.exists()


@pytest.mark.parametrize('name', ['state_dict', 'model', 'teacher'])
def test_an_envelope_that_holds_itself_ends(name: str, tmp_path: Path) -> None:
    content: dict = {'epoch': 3}
    content[name] = {'module': content}
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='its envelope holds nothing but itself'):
        read_state_dict(tmp_path / 'a.pth')


@pytest.mark.parametrize('zipped', [True, False])
def test_every_flipped_bit_at_its_head_is_read_or_refused_in_words(tmp_path, zipped):
    """torch raises struct, type and attribute errors, and in asking what a file wants, others."""
    path = tmp_path / 'a.pth'
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), path,
               _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for place in range(0, min(len(whole), 700), 2):
        content = bytearray(whole)
        content[place] ^= 1 << place // 2 % 8
        path.write_bytes(content)
        try:
            read_checkpoint(path)
        except ValueError as error:
            assert str(error).startswith(f'Checkpoint {path}: ')
