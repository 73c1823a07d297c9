import json
import runpy
import sys
import time
from pathlib import Path

import pytest
import torch
from clock import Clock
from mmengine.config import Config
from recipes import CONFIGS, shrink
from runs import run_tool

SCRIPT = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_scaling.py'
RECIPE = CONFIGS / 'amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'


@pytest.fixture
def benchmark(tmp_path, monkeypatch, capsys):
    """Runs the command on a small AMD recipe; returns its numbers and what it printed."""
    cfg = Config.fromfile(RECIPE)
    shrink(cfg)
    cfg.dump(tmp_path / 'config.py')

    def run(*options: str) -> tuple[dict, str]:
        file = tmp_path / 'numbers.json'
        monkeypatch.setenv('PYTHONPATH', str(SCRIPT.parents[2]))
        monkeypatch.setattr(sys, 'argv', [
            str(SCRIPT), str(tmp_path / 'config.py'), '--json', str(file), *options])
        run_tool(SCRIPT)
        return json.loads(file.read_text()), capsys.readouterr().out
    return run


def test_processes_exchange_what_trains(benchmark):
    numbers, printed = benchmark('--steps', '2', '--cfg-options', 'model.neck.generator_depth=1')
    one, two = numbers['measured']
    assert (one['processes'], two['processes']) == (1, 2) and not numbers['paper']
    assert one['parameters'] == two['parameters'] > 10_000
    for row in (one, two):
        assert row['inputs_per_second'] == pytest.approx(row['processes'] * 2 / row['seconds'])
        assert set(row) == {'processes', 'parameters', 'seconds', 'exchange_seconds',
                            'inputs_per_second'}
    assert f'{one["seconds"] / two["seconds"]:.0%}' in printed and 'network' not in printed


def test_time_is_the_median_without_the_first_steps(monkeypatch):
    """Nine seconds before the clock is warm, then 1, 5 and 3; all wait for each other."""
    median_seconds = runpy.run_path(str(SCRIPT))['median_seconds']
    clock, waits, steps = Clock(), [], iter([9., 9., 9., 1., 5., 3.])
    monkeypatch.setattr(time, 'perf_counter', clock.perf_counter)
    monkeypatch.setattr(torch.distributed, 'barrier', lambda: waits.append(clock.seconds))
    assert median_seconds(lambda: clock.sleep(next(steps)), 3, torch.device('cpu')) == 3
    assert [moment - 1000 for moment in waits] == [0, 9, 18, 27, 28, 33]


def test_paper(benchmark):
    """A GPU that trains on 400 clips/s: 100 videos of 4 repeats; 512 videos an update."""
    numbers, printed = benchmark(
        '--processes', '--inputs-per-second', '400', '--loader-ms', '50',
        '--file-bytes', '3e5', '--gpus', '1', '8', '32')
    assert not numbers['measured'] and '2 (n - 1) / n x 4 bytes x parameters' in printed
    alone, eight, many = numbers['paper']
    assert alone['sent_bytes_an_update_a_gpu'] == 0
    assert eight['sent_bytes_an_update_a_gpu'] / (7 / 8) == pytest.approx(
        many['sent_bytes_an_update_a_gpu'] / (31 / 32))
    parameters = eight['sent_bytes_an_update_a_gpu'] / (2 * 7 / 8 * 4)
    assert parameters == pytest.approx(round(parameters)) and parameters > 10_000
    assert eight['sent_bytes_per_second_a_gpu'] == pytest.approx(
        eight['sent_bytes_an_update_a_gpu'] * 8 * 100 / 512)
    for row in numbers['paper']:
        assert row['inputs_per_second'] == row['gpus'] * 400
        assert row['reads_per_second'] == row['gpus'] * 100
        assert row['storage_bytes_per_second'] == row['gpus'] * 3e7
        assert row['loader_cores_a_gpu'] == pytest.approx(5)


def test_wrong_options_are_named(benchmark, capsys):
    for options, message in (
            (('--inputs-per-second', '400'), 'got (400.0, None, None)'),
            (('--steps', '0'), 'must be at least 1')):
        with pytest.raises(SystemExit):
            benchmark(*options)
        assert message in capsys.readouterr().err


@pytest.mark.parametrize('config,options,message', [
    ('quickstart/finetune_student.py', [], 'a pre-training config is needed'),
    ('quickstart/pretrain_amd_student.py', ['--processes'], 'there is nothing to do'),
])
def test_what_cannot_be_measured_is_refused(monkeypatch, capsys, config, options, message):
    monkeypatch.setattr(sys, 'argv', ['', str(CONFIGS / config), *options])
    with pytest.raises(SystemExit) as stop:
        run_tool(SCRIPT)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
