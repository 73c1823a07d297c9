"""Timings of small networks: every row is there, and says what was not measured."""
import json

import numpy as np
import pytest
from clips import REAL
from exports import ROOT, tuned_checkpoint
from tuned import OWN_IMAGES, OWN_VIDEOS

from amd_mm.deploy.timing import Contestant, measure

runner = ROOT / 'tools/analysis_tools/benchmark_inference.py'


def run(monkeypatch, *words) -> int:
    import runpy
    import sys

    monkeypatch.setattr(sys, 'argv', ['benchmark_inference.py', *map(str, words)])
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(runner), run_name='__main__')
    return status.value.code


def test_a_student_and_its_teacher_by_runtime_and_stage(tmp_path, monkeypatch, capsys):
    videos = tmp_path / 'videos'
    videos.mkdir()
    for name in ('carphone_pristine.mp4', 'bikes.mp4'):
        (videos / name).symlink_to(REAL / name)
    checkpoints = [tuned_checkpoint(OWN_VIDEOS, tmp_path / name)[0] for name in ('a', 'b')]
    assert run(monkeypatch, *checkpoints, '--inputs', videos, '--runtimes', 'eager', 'onnx',
               'tensorrt', '--batch-size', '1', '3', '--rounds', '2', '--beside', '--stages',
               REAL / 'carphone_pristine.mp4', '--json', tmp_path / 'all.json') == 0
    said = json.loads((tmp_path / 'all.json').read_text())
    rows = {(row['network'], row['runtime'], row['batch']): row for row in said['rows']}
    names = ['a/last', 'b/last']
    assert set(rows) == {(name, runtime, batch) for batch in (1, 3) for name, runtime in [
        *((name, runtime) for name in names for runtime in ('eager', 'onnx', 'tensorrt')),
        ('Transformers VideoMAE', 'eager')]}
    for (_, runtime, _), row in rows.items():
        assert (row['median'] is None) == (runtime == 'tensorrt')
        assert row['median'] is None or 0 < row['median'] <= row['most']
    assert rows['a/last', 'onnx', 1]['equal'] == 1
    assert rows['a/last', 'onnx', 1]['memory'] > 10
    # 120 frames in windows of 16 at 30000 / 1001 frames a second; the last ends with the video.
    assert said['stages']['windows'] == 8
    assert said['stages']['seconds'] == pytest.approx(120 * 1001 / 30000)
    assert [row['runtime'] for row in said['stages']['rows']] == ['eager', 'onnx'] * 2
    printed = capsys.readouterr().out
    assert 'not measured (no GPU)' in printed
    assert 'for an hour extrapolated from that' in printed


def test_pictures_and_videos_do_not_go_together(tmp_path, monkeypatch, capsys):
    checkpoints = [tuned_checkpoint(name, tmp_path / name)[0] for name in (OWN_VIDEOS, OWN_IMAGES)]
    assert run(monkeypatch, *checkpoints, '--inputs', REAL) == 2
    assert 'must all be of pictures, or all of videos, got both' in capsys.readouterr().err


def test_turns_alternate_and_the_first_does_not_count(monkeypatch):
    calls = []
    clock = iter(range(1000))
    for name in ('perf_counter', 'process_time'):
        monkeypatch.setattr(f'amd_mm.deploy.timing.time.{name}', lambda: next(clock))

    def contestant(name: str) -> Contestant:
        return Contestant(name, 'eager', lambda count: {'pixels': np.zeros(count)},
                          lambda feeds: calls.append((name, len(feeds['pixels']))))

    gone = Contestant('none', 'tensorrt', lambda count: {}, why='no GPU')
    rows = measure([contestant('a'), contestant('b'), gone], [1, 2], 3)
    assert calls == [('a', 1), ('b', 1), ('a', 2), ('b', 2)] * 4
    assert [(row['network'], row['batch'], row['median']) for row in rows] == [
        ('a', 1, 2), ('b', 1, 2), ('none', 1, None), ('a', 2, 2), ('b', 2, 2), ('none', 2, None)]
    assert [row['computing'] for row in rows] == [2, 2, None, 2, 2, None]
