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


def test_what_has_ended_is_only_read(tmp_path, monkeypatch, capsys):
    study = read_study(REPO / 'tools/studies/smoke.py')
    for seed, top1 in ((0, 0.5), (1, 0.25)):
        for stage in plan_study(study, tmp_path, seed, 'test'):
            if stage.name == 'data':
                monkeypatch.setattr(StageRunner, 'has_ended', _data_too(StageRunner.has_ended))
            else:
                pretend(stage, tmp_path, top1)
    monkeypatch.setattr(sys, 'argv', [
        'study.py', str(REPO / 'tools/studies/smoke.py'), '--seeds', '0', '1', '--split', 'test',
        '--work-dir', str(tmp_path)])
    assert not tool.main()
    results = json.loads((tmp_path / 'study.json').read_text())
    assert results['seeds'] == [0, 1]
    assert results['arms']['amd'] == dict(
        top1=[0.5, 0.25], cpu_seconds=[4., 4.], teacher_cpu_seconds=[2., 2.])
    table = (tmp_path / 'study.md').read_text()
    assert '| scratch | 50.0 | 25.0 | 37.5 | 17.7 | 2 | 0 |' in table
    assert table in capsys.readouterr().out
    assert (tmp_path / 'top1.png').exists()


def _data_too(has_ended):
    """The videos themselves are not there."""
    return lambda runner, stage: stage.name == 'data' or has_ended(runner, stage)
