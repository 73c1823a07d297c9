import json
import runpy
import statistics
import sys
from pathlib import Path

import pytest
import torch
from hand_count import SHRUNK_VIDEO_BASE, hand_count
from mmengine.config import Config
from recipes import CONFIGS, shrink

SCRIPT = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_step.py'
RECIPE = CONFIGS / 'amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'
PARTS = ['mask', 'teacher', 'student', 'generator', 'decoder', 'losses', 'backward', 'optimizer']


@pytest.fixture
def benchmark(tmp_path, monkeypatch, capsys):
    """Runs the command on a small AMD recipe; returns its numbers and what it printed."""
    cfg = Config.fromfile(RECIPE)
    shrink(cfg)
    cfg.dump(tmp_path / 'config.py')

    def run(*options: str) -> tuple[dict, str]:
        file = tmp_path / 'numbers.json'
        monkeypatch.setattr(sys, 'argv', [
            'benchmark_step.py', str(tmp_path / 'config.py'), '--device', 'cpu', '--warm-up', '1',
            '--json', str(file), *options])
        runpy.run_path(str(SCRIPT), run_name='__main__')
        return json.loads(file.read_text()), capsys.readouterr().out
    return run


def check_figures(numbers: dict, batch_size: int, steps: int) -> None:
    """That they fit each other, and the operations the hand count."""
    assert len(numbers['seconds']) == steps
    median = statistics.median(numbers['seconds'])
    low, middle, high = numbers['seconds_quartiles']
    assert min(numbers['seconds']) <= low <= middle <= high <= max(numbers['seconds'])
    assert middle == numbers['seconds_median'] == pytest.approx(median)
    assert numbers['clips_per_second'] == pytest.approx(batch_size / median)
    flops = hand_count(SHRUNK_VIDEO_BASE)
    assert numbers['flops_per_clip_by_part'] == flops
    assert numbers['utilisation'] == pytest.approx(
        batch_size * sum(flops.values()) / median / numbers['matrix_flops_per_second'])
    assert numbers['matrix_flops_per_second'] == max(
        numbers['matrix_flops_per_second_before_and_after'])
    assert numbers['peak_memory_bytes'] > 2**20


def test_figures_and_parts(benchmark):
    numbers, printed = benchmark('--batch-size', '3', '--steps', '4', '--precision', 'fp32')
    check_figures(numbers, batch_size=3, steps=4)
    assert list(numbers['milliseconds_by_part']) == PARTS
    for part, milliseconds in numbers['milliseconds_by_part'].items():
        low, middle, high = numbers['milliseconds_quartiles_by_part'][part]
        assert 0 <= low <= middle <= high and middle == pytest.approx(milliseconds)
        assert f'  {part}' in printed
    assert f'{numbers["clips_per_second"]:.2f} clips/s' in printed
    assert f'utilisation of the step {100 * numbers["utilisation"]:.0f} %' in printed


def test_a_compiled_step_has_a_utilisation_too(benchmark, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, 'compile', lambda call: compiled.append(call) or call)
    numbers, printed = benchmark(
        '--batch-size', '2', '--steps', '2', '--precision', 'bf16', '--compile')
    assert [call.__name__ for call in compiled] == ['masked_loss'] and numbers['compile']
    check_figures(numbers, batch_size=2, steps=2)
    assert numbers['milliseconds_by_part'] == {}
    assert 'parts of a compiled step cannot be timed' in printed


def test_what_is_recomputed_does_not_count(benchmark):
    numbers, _ = benchmark('--steps', '2', '--cfg-options', 'model.with_cp=True')
    check_figures(numbers, batch_size=2, steps=2)


@pytest.mark.parametrize('options', [('--steps', '1'), ('--batch-size', '0')])
def test_too_little_to_measure_is_refused(benchmark, options, capsys):
    with pytest.raises(SystemExit):
        benchmark(*options)
    assert 'at least 1 input, 2 timed steps' in capsys.readouterr().err


def test_a_config_that_does_not_pre_train_is_refused(monkeypatch):
    monkeypatch.setattr(sys, 'argv', [
        '', str(CONFIGS / 'quickstart/finetune_student.py'), '--device', 'cpu'])
    with pytest.raises(SystemExit, match='error: a pre-training config is needed'):
        runpy.run_path(str(SCRIPT), run_name='__main__')
