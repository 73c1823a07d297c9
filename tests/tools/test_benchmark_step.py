import itertools
import json
import resource
import sys
import time
from pathlib import Path

import pytest
import torch
from hand_count import SHRUNK_VIDEO_BASE, hand_count
from mmengine.config import Config
from recipes import CONFIGS, shrink
from runs import run_tool

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
        # Each look at the clock comes a second later after the last one than that did.
        seconds = itertools.accumulate(itertools.count(1))
        monkeypatch.setattr(time, 'perf_counter', lambda: float(next(seconds)))
        monkeypatch.setattr('amd_mm.profiling.flops.LARGEST_PRODUCT', 256)
        file = tmp_path / 'numbers.json'
        monkeypatch.setattr(sys, 'argv', [
            'benchmark_step.py', str(tmp_path / 'config.py'), '--device', 'cpu', '--warm-up', '1',
            '--json', str(file), *options])
        run_tool(SCRIPT)
        return json.loads(file.read_text()), capsys.readouterr().out
    return run


def check_quartiles(quartiles: list[float], seconds: list[float]) -> float:
    """Of steps, each longer than the one before by as much; returns the median."""
    first, step = seconds[0], seconds[1] - seconds[0]
    assert step > 0 and seconds == pytest.approx(
        [first + number * step for number in range(len(seconds))])
    width = seconds[-1] - first
    assert quartiles == pytest.approx([first + part * width for part in (.25, .5, .75)])
    return first + width / 2


def check_figures(numbers: dict, batch_size: int, steps: int) -> None:
    """That they fit each other, and the operations the hand count."""
    assert len(numbers['seconds']) == steps
    median = check_quartiles(numbers['seconds_quartiles'], numbers['seconds'])
    assert numbers['seconds_median'] == pytest.approx(median)
    assert numbers['clips_per_second'] == pytest.approx(batch_size / median)
    flops = hand_count(SHRUNK_VIDEO_BASE)
    assert numbers['flops_per_clip_by_part'] == flops
    assert numbers['utilisation'] == pytest.approx(
        batch_size * sum(flops.values()) / median / numbers['matrix_flops_per_second'])
    assert numbers['matrix_flops_per_second'] == max(
        numbers['matrix_flops_per_second_before_and_after'])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert .5 < numbers['peak_memory_bytes'] / (
        peak * (1 if sys.platform == 'darwin' else 1024)) <= 1


def test_figures_and_parts(benchmark):
    numbers, printed = benchmark('--batch-size', '3', '--steps', '4', '--precision', 'fp32')
    check_figures(numbers, batch_size=3, steps=4)
    assert list(numbers['milliseconds_by_part']) == PARTS
    for part, milliseconds in numbers['milliseconds_by_part'].items():
        low, middle, high = numbers['milliseconds_quartiles_by_part'][part]
        assert middle == pytest.approx(milliseconds)
        # From step to step there are 16 looks at the clock, by so many is each part longer; the
        # six times between five parts and around them are what losses take.
        assert high - low == pytest.approx(1e3 * 1.5 * 16 * (6 if part == 'losses' else 1))
        assert middle - low == pytest.approx(high - middle)
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


def test_a_config_that_does_not_pre_train_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', [
        '', str(CONFIGS / 'quickstart/finetune_student.py'), '--device', 'cpu'])
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT)
    assert 'error: a pre-training config is needed' in capsys.readouterr().err
