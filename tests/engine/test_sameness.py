import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mmengine.config import Config
from runs import toy_config

import amd_mm.engine.sameness
from amd_mm.engine.sameness import code_of, files_of, require_same, settings_of
from amd_mm.meeting import Meeting, Place

HOST = socket.gethostname()


@pytest.fixture
def refusals():
    """What each of some processes with configs is told; threads here."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]

    def compare(*cfgs: Config) -> list[str]:
        def refusal(rank: int) -> str:
            place = Place('127.0.0.1', port, rank, len(cfgs), serves=rank == 0)
            meeting = Meeting(place, 20.)
            try:
                require_same(cfgs[rank], meeting)
            except ValueError as error:
                return str(error)
            return ''
        with ThreadPoolExecutor(len(cfgs)) as pool:
            return list(pool.map(refusal, range(len(cfgs))))
    return compare


def of(rank: int) -> str:
    return f'rank {rank} on {HOST} (process {os.getpid()})'


def test_equal_runs_on_machines_with_other_cores(tmp_path, refusals):
    other = toy_config(tmp_path, num_workers=2)
    other.train_dataloader.pin_memory = True
    assert refusals(toy_config(tmp_path), other) == ['', '']


def test_the_key_that_differs_is_named_to_all(tmp_path, refusals):
    cfgs = [toy_config(tmp_path, batch_size=size) for size in (2, 2, 4)]
    cfgs[2].held_out_data = dict(size=3)
    assert refusals(*cfgs) == [
        f'all processes of a run must run the same, but {of(2)} differs from {of(0)} in config: '
        'train_dataloader.batch_size 4 instead of 2, held_out_data.size (only in the former); '
        'start all with one command line, from the same code, packages and files'] * 3


def test_the_package_and_the_file_of_code_are_named(tmp_path, refusals, monkeypatch):
    monkeypatch.setattr(amd_mm.engine.sameness, 'code_of', lambda cfg: cfg.code.to_dict())
    cfgs = [toy_config(tmp_path) for _ in range(2)]
    for cfg, version, digit in zip(cfgs, ('2.6.0', '2.5.1'), '01', strict=True):
        cfg.code = {'torch': version, 'amd_mm/a.py': digit * 32}
    for refusal in refusals(*cfgs):
        assert (f'{of(1)} differs from {of(0)} in code: torch 2.5.1 instead of 2.6.0, '
                'amd_mm/a.py; start all') in refusal


def test_the_list_that_differs_is_named(tmp_path, refusals, monkeypatch):
    # One path, as on the disks of two machines.
    contents = {}

    def of_machine(path: Path) -> str:
        return contents[path.name].pop()
    monkeypatch.setattr(amd_mm.engine.sameness, '_sum_of_file', of_machine)
    cfg = toy_config(tmp_path)
    for name in ('train.txt', 'val.txt'):
        (tmp_path / name).touch()
    cfg.train_dataloader.dataset.dataset.ann_file = f'{tmp_path}/train.txt'
    cfg.train_dataloader.dataset.exclude_file = f'{tmp_path}/val.txt'
    contents.update({'train.txt': ['0' * 32, '1' * 32], 'val.txt': ['2' * 32, '2' * 32]})
    for refusal in refusals(cfg, cfg):
        assert (f'in files: train_dataloader.dataset.dataset.ann_file ({tmp_path}/train.txt); '
                'start all') in refusal


def test_files_are_read_by_one_process_a_machine(tmp_path, refusals, monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '1')
    monkeypatch.setattr(amd_mm.engine.sameness, 'files_of', None)
    assert refusals(toy_config(tmp_path), toy_config(tmp_path)) == ['', '']


def test_a_hash_hangs_on_every_byte(tmp_path):
    cfg = toy_config(tmp_path)
    weights = tmp_path / 'weights.pth'
    cfg.load_from = str(weights)
    assert files_of(cfg) == {}
    found = set()
    for content in (b'', b'a', bytes(1 << 20) + b'a', bytes(1 << 20) + b'b'):
        weights.write_bytes(content)
        [(name, value)] = files_of(cfg).items()
        assert name == f'load_from ({weights})'
        found.add(value)
    assert len(found) == 4


def test_code_of_ones_own_counts(tmp_path):
    cfg = toy_config(tmp_path)  # imports the helpers
    facts = code_of(cfg)
    assert {'Python', 'torch', 'mmengine', 'amd_mm/meeting/meeting.py', 'toys'} <= facts.keys()
    assert len(facts['toys']) == len(facts['amd_mm/meeting/meeting.py']) == 32


def test_objects_are_compared_without_their_address():
    cfg = Config(dict(work_dir='w', variable=3, val_cfg=dict(), model=dict(type=object, f=len)))
    assert settings_of(cfg) == {
        'work_dir': "'w'", 'val_cfg': '{}', 'model.type': "<class 'object'>",
        'model.f': '<built-in function len>'}
