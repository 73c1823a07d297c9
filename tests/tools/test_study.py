"""tools/study.py: a study whose stages have ended is a table, whatever was asked for."""
import importlib.util
import json
import sys
from pathlib import Path

from amd_mm.engine.stages import StageRunner
from amd_mm.studies import plan_study, read_study

REPO = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location('study_tool', REPO / 'tools/study.py')
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def pretend(stage, run, top1):
    """Leave what a stage leaves."""
    stage.output.mkdir(parents=True, exist_ok=True)
    runner = StageRunner(run, 1, REPO)
    (run / stage.name).mkdir(parents=True, exist_ok=True)
    runner.write_note(stage, seconds=1., cpu_seconds=2.)
    if 'test_' in stage.name:
        log = run / stage.name / '20260101/1.json'
        log.parent.mkdir(parents=True)
        log.write_text(json.dumps({'acc/top1': top1}))


def pretend_all(study, run, monkeypatch):
    """Seed 0 got a half right, seed 1 a quarter."""
    for seed, top1 in ((0, 0.5), (1, 0.25)):
        for stage in plan_study(study, run, seed, 'test'):
            if stage.name == 'data':
                monkeypatch.setattr(StageRunner, 'has_ended', _data_too(StageRunner.has_ended))
            else:
                pretend(stage, run, top1)


def type_command(run, monkeypatch, *more):
    monkeypatch.setattr(sys, 'argv', [
        'study.py', str(REPO / 'tools/studies/smoke.py'), '--seeds', '0', '1', '--split', 'test',
        '--work-dir', str(run), *more])
    return tool.main()


def test_what_has_ended_is_only_read(tmp_path, monkeypatch, capsys):
    pretend_all(read_study(REPO / 'tools/studies/smoke.py'), tmp_path, monkeypatch)
    assert not type_command(tmp_path, monkeypatch)
    results = json.loads((tmp_path / 'study.json').read_text())
    assert results['seeds'] == [0, 1]
    assert results['arms']['amd'] == dict(
        top1=[0.5, 0.25], cpu_seconds=[4., 4.], teacher_cpu_seconds=[2., 2.])
    table = (tmp_path / 'study.md').read_text()
    assert '| scratch | 50.0 | 25.0 | 37.5 | 17.7 | 2 | 0 |' in table
    assert table in capsys.readouterr().out
    assert (tmp_path / 'top1.png').exists()


def test_rows_can_be_asked_for_apart(tmp_path, monkeypatch, capsys):
    study = read_study(REPO / 'tools/studies/smoke.py')
    # Only these two were run: nothing else is missed, and nothing else is run.
    pretend_all(study.of_arms(['scratch', 'amd']), tmp_path, monkeypatch)
    assert not type_command(tmp_path, monkeypatch, '--arms', 'amd', 'scratch')
    results = json.loads((tmp_path / 'study.json').read_text())
    assert {name: row['top1'] for name, row in results['arms'].items()} == dict(
        scratch=[0.5, 0.25], amd=[0.5, 0.25])
    assert ['amd', 'scratch'] in results['compare']
    assert type_command(tmp_path, monkeypatch, '--arms', 'adm') == 2
    assert 'among scratch, videomae, amd, teacher, got adm' in capsys.readouterr().err


def test_ways_to_judge_can_be_asked_for_apart(tmp_path, monkeypatch, capsys):
    smoke = REPO / 'tools/studies/smoke.py'
    path = tmp_path / 'two.py'
    path.write_text(f"""
_base_ = '{smoke}'
pretrainings = dict(_delete_=True)
arms = dict(_delete_=True, scratch=None)
compare = []
evaluations = dict(
    top1=dict(config='{REPO}/configs/evidence/finetune.py'),
    probe=dict(config='{REPO}/configs/evidence/finetune.py', metric='acc/top1'))
""")
    run = tmp_path / 'run'
    pretend_all(read_study(path).of_evaluations(['probe']), run, monkeypatch)
    command = ['study.py', str(path), '--seeds', '0', '1', '--split', 'test', '--work-dir',
               str(run), '--evaluations']
    monkeypatch.setattr(sys, 'argv', [*command, 'probe'])
    assert not tool.main()
    results = json.loads((run / 'study.json').read_text())
    assert results['arms'] == dict(scratch=dict(
        probe=[0.5, 0.25], cpu_seconds=[2., 2.], teacher_cpu_seconds=[0, 0]))
    assert (run / 'probe.png').exists() and not (run / 'top1.png').exists()
    monkeypatch.setattr(sys, 'argv', [*command, 'knn'])
    assert tool.main() == 2
    assert 'among top1, probe, got knn' in capsys.readouterr().err


def _data_too(has_ended):
    """The videos themselves are not there."""
    return lambda runner, stage: stage.name == 'data' or has_ended(runner, stage)
