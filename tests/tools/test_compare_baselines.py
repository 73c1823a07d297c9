import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import pytest
import torch
from clips import REAL
from golden import golden

FOLDER = Path(__file__).parents[2] / 'tools/analysis_tools'


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return runpy.run_path(str(FOLDER / 'compare_baselines.py'))


@pytest.fixture
def baselines(script):
    return sys.modules['baselines']


def test_amd_is_the_released_one(baselines):
    student = baselines.AMDStudent(
        dict(dims=24, depth=4, heads=3, taps=(2, 4)), (16, 2, 2), 32, 8, 64)
    student.load_state_dict(golden('amd.student.'))
    teacher = baselines.VideoEncoder(32, 6, 4, 64, 8, taps=(3, 6))
    teacher.load_state_dict(golden('amd.teacher.'))
    losses = baselines.amd_losses(
        student, teacher, *(golden(f'amd.{name}')[''] for name in ('clips', 'masked', 'extra')))
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(golden(f'amd.{name}')[''].item(), rel=1e-6)


def test_dmae_is_the_released_one(baselines):
    decoder = (16, 2, 4)
    student = baselines.ImageAutoencoder((24, 4, 3), decoder, 8, 16, tap=3, projected_dims=32)
    student.load_state_dict(golden('dmae.student.'))
    teacher = baselines.ImageAutoencoder((32, 8, 4), decoder, 8, 16, tap=6)
    weights = teacher.state_dict()
    weights.update({k: v for k, v in golden('dmae.teacher.').items()
                    if not k.startswith('decoder')})
    teacher.load_state_dict(weights)
    losses = baselines.dmae_losses(
        student, teacher, *(golden(f'dmae.{name}')[''] for name in
                            ('images', 'ids_keep', 'ids_restore')))
    expected = golden('dmae.norm0.')
    assert losses['loss_rec'].item() == pytest.approx(expected['loss_rec'].item(), rel=1e-6)
    assert losses['loss_dir'].item() == pytest.approx(expected['loss_align_2'].item(), rel=1e-6)


@pytest.mark.parametrize('what', ['amd', 'dmae'])
def test_both_sides_train_the_same_network_at_full_size(script, what):
    with torch.device('meta'):
        released, _ = script['BASELINES'][what](torch.device('meta'))
    teacher = script['Config'].fromfile(
        script['CONFIGS'] / script['RECIPES'][what]).model.teacher
    # As wide as it is, which is what the student hangs on; and no deeper than its taps.
    taps = tuple(range(1, len(teacher.taps) + 1))
    depth = dict(depth=2) if what == 'amd' else dict(arch=dict(
        embed_dims=1024, num_layers=2, num_heads=16, feedforward_channels=4096))
    teacher.update(backbone=dict(teacher.backbone, **depth), taps=taps, checkpoint=None)
    own, _ = script['ours'](what, teacher=teacher)(torch.device('cpu'))
    assert script['trained'](released) == script['trained'](own) > 8e7


@pytest.mark.parametrize('limit,expected', [(7, 0), (8, 8), (30, 24), (64, 64), (203, 200)])
def test_largest_batch(script, limit, expected):
    tried = []

    def fits(size):
        tried.append(size)
        return size <= limit

    assert script['largest_batch'](fits) == expected
    assert len(tried) <= 12


def test_loading_is_compared_in_turns(script, monkeypatch, tmp_path, capsys):
    threads = torch.get_num_threads(), cv2.getNumThreads()
    main = script['main'].__wrapped__.__globals__
    # Each turn of a second ends after one look at the clock.
    ticks = iter(range(10000))
    monkeypatch.setattr(main['time'], 'perf_counter', lambda: .6 * next(ticks))
    video = str(REAL / 'carphone_distorted.mp4')
    monkeypatch.setattr(sys, 'argv', [
        '', 'loader', video, '--prepared', video, '--rounds', '2', '--json',
        str(tmp_path / 'out.json')])
    try:
        script['main']()
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    rates = json.loads((tmp_path / 'out.json').read_text())['clips_per_second']
    assert list(rates) == ['released', 'ours', 'ours, prepared']
    # Four clips in one tick of the clock, and its start and end.
    assert all(rate == pytest.approx(4 / 1.8) for found in rates.values() for rate in found)
    assert capsys.readouterr().out.count('1.00 times as fast') == 3


def test_steps_are_compared_in_turns(script, monkeypatch, capsys):
    class Side:
        def __init__(self, build, device, precision):
            self.student, self.clock = build, iter([2., 4.] if build == 'ours' else [3., 8.])

        def set_batch(self, size):
            return self

        def step(self):
            pass

        def seconds(self):
            return next(self.clock)

    names = script['main'].__wrapped__.__globals__
    monkeypatch.setitem(names, 'Side', Side)
    monkeypatch.setitem(names, 'BASELINES', dict(amd='released'))
    monkeypatch.setitem(names, 'ours', lambda what: 'ours')
    monkeypatch.setitem(names, 'require_same_size', lambda *students: None)
    monkeypatch.setattr(sys, 'argv', ['', 'amd', '--device', 'cpu', '--rounds', '2'])
    script['main']()
    assert 'released 5500 ms, ours 3000 ms: 1.75 times as fast' in capsys.readouterr().out


def test_batches_that_fill_a_gpu_are_compared(script, monkeypatch, capsys):
    """The released step fits 24 inputs at 1 GiB each, ours 48 at half of it, 100 recomputing."""
    class Side:
        def __init__(self, build, device, precision):
            limit, self.seconds_an_input, self.memory_an_input = build
            self.student, self.fits, self.size = None, lambda size: size <= limit, None

        def set_batch(self, size):
            self.size = size
            return self

        def step(self):
            peak[0] = self.size * self.memory_an_input * 2**30

        def seconds(self):
            self.step()
            return self.size * self.seconds_an_input

    def ours(what, with_cp=False, compile=False):
        return (100, .025, .25) if with_cp else (48, .01 if compile else .02, .5)

    peak, names = [0], script['main'].__wrapped__.__globals__
    for name, value in dict(
            Side=Side, BASELINES=dict(amd=(24, .04, 1.)), ours=ours, trained=lambda student: 1,
            matrix_rate=lambda *args, **options: 4e14,
            count_flops=lambda student, losses: dict(teacher=3e12, student=1e12)).items():
        monkeypatch.setitem(names, name, value)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda: 'a GPU')
    monkeypatch.setattr(torch.cuda, 'reset_peak_memory_stats', lambda: None)
    monkeypatch.setattr(torch.cuda, 'max_memory_allocated', lambda: peak[0])
    monkeypatch.setattr(sys, 'argv', ['', 'amd', '--device', 'cuda'])
    script['main']()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f'amd, bf16, a GPU, torch {torch.__version__}'
    assert [' '.join(line.split()) for line in printed[2:]] == [
        'released, 24 25.0 inputs/s (1.00), 24.0 GiB (1.00), utilisation 25 %',
        'ours, 24 50.0 inputs/s (2.00), 12.0 GiB (0.50), utilisation 50 %',
        'ours, 48 50.0 inputs/s (2.00), 24.0 GiB (1.00), utilisation 50 %',
        'ours, recomputing, 24 40.0 inputs/s (1.60), 6.0 GiB (0.25), utilisation 40 %',
        'ours, recomputing, 96 40.0 inputs/s (1.60), 24.0 GiB (1.00), utilisation 40 %',
        'ours, compiled, 24 100.0 inputs/s (4.00), 12.0 GiB (0.50), utilisation 100 %']


@pytest.mark.parametrize('arguments,message', [
    (['loader', 'nowhere.mp4'], 'a video must be a file of one of .*, got nowhere.mp4'),
    (['loader', __file__], 'a video must be a file of one of'),
    (['loader', str(REAL / 'bikes.mp4'), '--rounds', '0'], 'must be at least 1, got 0'),
    (['amd', '--device', 'cpu', '--batch-size', '0'], 'must be at least 1, got 5 and 0'),
    (['amd', '--device', 'cuda'], 'needs a GPU that torch can use'),
])
def test_what_cannot_be_compared_is_refused(script, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(sys, 'argv', ['', *arguments])
    with pytest.raises(SystemExit):
        script['main']()
    assert re.search(message, capsys.readouterr().err)
