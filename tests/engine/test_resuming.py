import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from runs import recorded, run, toy_config
from unsafe_files import Bomb, serving

from amd_mm.engine import newest_whole, prepare_start


@pytest.fixture
def finished(tmp_path) -> Config:
    """A run of two epochs."""
    cfg = toy_config(tmp_path / 'run', max_epochs=2)
    run(cfg)
    return cfg


def test_the_newest_is_found_without_last_checkpoint_and_in_a_moved_folder(finished, tmp_path):
    folder = Path(finished.work_dir).rename(tmp_path / 'moved')
    assert newest_whole(folder) == folder / 'epoch_2.pth'
    (folder / 'last_checkpoint').unlink()
    assert newest_whole(folder) == folder / 'epoch_2.pth'
    assert newest_whole(tmp_path / 'nowhere') is None


def test_a_half_written_one_is_named_and_the_one_before_it_taken(finished, monkeypatch):
    said = []
    monkeypatch.setattr(
        'amd_mm.engine.resuming.print_log', lambda text, *_, **__: said.append(text))
    newest = Path(finished.work_dir, 'epoch_2.pth')
    newest.write_bytes(newest.read_bytes()[:-1000])
    assert newest_whole(finished.work_dir) == newest.with_name('epoch_1.pth')
    assert len(said) == 1 and f'{newest}: must be complete' in said[0]


def test_a_flipped_bit_is_found_by_its_checksum(finished):
    """torch reads it without a word."""
    newest = Path(finished.work_dir, 'epoch_2.pth')
    content = bytearray(newest.read_bytes())
    weight = torch.load(newest, weights_only=True)['state_dict']['net.0.weight'].numpy().tobytes()
    content[content.index(weight) + 1] ^= 1
    newest.write_bytes(content)
    torch.load(newest, weights_only=True)
    with pytest.raises(ValueError, match='epoch_2.pth: must be as it was written, but the check'):
        prepare_start(finished, str(newest), overwrite=False)
    assert newest_whole(finished.work_dir) == newest.with_name('epoch_1.pth')


def test_a_resumed_run_takes_the_newest(finished):
    cfg = toy_config(Path(finished.work_dir), max_epochs=3)
    Path(finished.work_dir, 'last_checkpoint').unlink()
    prepare_start(cfg, 'auto', overwrite=False)
    assert cfg.resume and cfg.load_from == str(Path(finished.work_dir, 'epoch_2.pth'))
    run(cfg)
    assert [line['epoch'] for line in recorded(cfg)] == 5 * [0] + 5 * [1] + 5 * [2]


def test_resuming_an_empty_folder_starts_anew(tmp_path):
    cfg = toy_config(tmp_path)
    prepare_start(cfg, 'auto', overwrite=False)
    assert not cfg.resume and cfg.get('load_from') is None


def test_a_new_run_does_not_overwrite_another(finished):
    with pytest.raises(ValueError, match='epoch_2.pth is there; go on with --resume'):
        prepare_start(finished, None, overwrite=False)
    prepare_start(finished, None, overwrite=True)


@pytest.mark.parametrize('lost, said', [
    (('optimizer', 'param_schedulers'), 'has no optimizer'),
    (('meta', 'optimizer', 'message_hub'), 'has no meta, optimizer, message_hub')])
def test_weights_alone_are_refused(finished, tmp_path, lost, said):
    content = torch.load(Path(finished.work_dir, 'epoch_2.pth'), weights_only=True)
    torch.save({name: part for name, part in content.items() if name not in lost},
               tmp_path / 'best.pth')
    with pytest.raises(ValueError, match=f'best.pth: .*{said}.*load_from'):
        prepare_start(finished, str(tmp_path / 'best.pth'), overwrite=False)


def test_a_missing_file_is_named(finished):
    with pytest.raises(ValueError, match='nowhere.pth: must be an existing file'):
        prepare_start(finished, 'nowhere.pth', overwrite=False)


def test_an_address_is_resumed_from_by_the_same_rules(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    content = torch.load(Path(finished.work_dir, 'epoch_2.pth'), weights_only=True)
    torch.save(content | dict(more=Bomb(tmp_path / 'executed')), tmp_path / 'evil.pth')
    cfg = toy_config(Path(finished.work_dir), max_epochs=3)
    with serving(tmp_path) as address:
        with pytest.raises(ValueError, match='must hold weights only.*downloaded from http'):
            prepare_start(cfg, f'{address}/evil.pth', overwrite=False)
        with pytest.raises(ValueError, match='http.*/none.pth: must be an address that serves'):
            prepare_start(cfg, f'{address}/none.pth', overwrite=False)
        prepare_start(cfg, f'{address}/run/epoch_2.pth', overwrite=False)
        run(cfg)
    assert [line['epoch'] for line in recorded(cfg)] == 5 * [0] + 5 * [1] + 5 * [2]
    assert not (tmp_path / 'executed').exists()


def test_by_time_and_not_by_name(tmp_path):
    """Of another length of epochs, iter_4 may be newer than epoch_9."""
    for age, name in enumerate(('iter_4.pth', 'epoch_9.pth', 'iter_30.pth', 'best.pth')):
        torch.save(dict(meta={}), tmp_path / name)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert newest_whole(tmp_path) == tmp_path / 'iter_4.pth'


def test_the_work_dir_of_another_model_is_not_gone_on_in_unasked(finished):
    """The weights would fit."""
    cfg = toy_config(Path(finished.work_dir), max_epochs=3, model=dict(bad_at=7))
    with pytest.raises(ValueError, match=r'but .*epoch_2.pth was trained with another: '
                                         r'model.bad_at None -> 7. Take another --work-dir'):
        prepare_start(cfg, 'auto', overwrite=False)
    prepare_start(cfg, str(Path(finished.work_dir, 'epoch_2.pth')), overwrite=False)


@pytest.mark.parametrize('change', [
    dict(max_epochs=9), dict(optimizer=dict(type='SGD', lr=.5)), dict(num_workers=1)])
def test_what_is_not_the_model_may_change(finished, change):
    cfg = toy_config(Path(finished.work_dir), **change)
    cfg.model.init_cfg = dict(type='Pretrained', checkpoint='moved.pth')
    cfg.model.update(num_classes=3, topk=(1, ))  # are filled in from the data
    prepare_start(cfg, 'auto', overwrite=False)
    assert cfg.resume
