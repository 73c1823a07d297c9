import json
import os
import sys
from types import SimpleNamespace

import pytest
from clock import Clock

from amd_mm.engine import stages
from amd_mm.engine.stages import Stage, StageRunner


def test_a_command_runs_with_this_interpreter_and_its_environment(tmp_path):
    code = 'import os, sys; print(sys.prefix, os.environ["GPUS"], os.environ["OMP_NUM_THREADS"])'
    stage = Stage('say', ('python', '-c', code), tmp_path, environment=dict(GPUS='3'))
    assert str(stage).startswith("GPUS=3 python -c 'import os")
    StageRunner(tmp_path, 1, tmp_path, threads=5).run_all([stage])
    assert (tmp_path / 'say/output.log').read_text() == f'{sys.prefix} 3 5\n'


def test_a_given_identity_is_what_a_result_depends_on(tmp_path):
    """On another number of processes the same training goes on."""
    one, two = (Stage('train', (name, ), tmp_path, identity='recipe') for name in 'ab')
    assert one.key == two.key != Stage('train', ('a', ), tmp_path).key
    runner = StageRunner(tmp_path / 'run', 1, tmp_path)
    folder = tmp_path / 'run/train'
    folder.mkdir(parents=True)
    runner.write_note(one)
    (folder / 'half').touch()
    with pytest.raises(FileNotFoundError):
        runner.start(two)  # there is no program b
    assert (folder / 'half').exists()


def toy_stage(folder, name, code, needs=()):
    """Appends its name to ``order`` and leaves ``name``.txt, unless ``code`` fails."""
    code = f"{code}; open('{folder}/order', 'a').write('{name} '); open('{folder}/{name}', 'w')"
    return Stage(name, (sys.executable, '-c', code), folder / name, needs=tuple(needs))


def run_toys(folder, toys, jobs=1):
    """Names of what was run, in order."""
    order = folder / 'order'
    order.write_text('')
    StageRunner(folder / 'run', jobs, folder).run_all(toys)
    return order.read_text().split()


def test_stages_run_once_and_after_what_they_need(tmp_path):
    a = toy_stage(tmp_path, 'a', 'pass')
    b = toy_stage(tmp_path, 'b', 'pass', [a])
    assert run_toys(tmp_path, [a, b]) == ['a', 'b']
    assert run_toys(tmp_path, [a, b]) == []

    (tmp_path / 'b').unlink()
    assert run_toys(tmp_path, [a, b]) == ['b'], 'what it left is gone'
    changed = toy_stage(tmp_path, 'a', '0')
    left_over = tmp_path / 'run/b/left_over'
    left_over.write_text('of the other settings')
    toys = [changed, toy_stage(tmp_path, 'b', 'pass', [changed])]
    assert run_toys(tmp_path, toys) == ['a', 'b'], 'another command, and what needs it'
    assert not left_over.exists()


def test_what_a_stage_took_is_noted(tmp_path, monkeypatch, capsys):
    clock, wait = Clock(), os.wait4

    def slowly(*args):
        clock.sleep(12.34)
        return *wait(*args)[:2], SimpleNamespace(ru_utime=3.14, ru_stime=.2)

    monkeypatch.setattr(stages.time, 'time', clock.time)
    monkeypatch.setattr(stages.os, 'wait4', slowly)
    run_toys(tmp_path, [toy_stage(tmp_path, 'a', 'pass')])
    note = json.loads((tmp_path / 'run/a/stage.json').read_text())
    assert (note['seconds'], note['cpu_seconds']) == (12.3, 3.3)
    assert 'a: 12 s' in capsys.readouterr().out


def test_what_an_interrupted_stage_took_is_counted(tmp_path, monkeypatch):
    """Ended by us, by itself, and whole: three starts of 100, 20 and 3 CPU seconds."""
    cpu_seconds, wait = iter((100., 20., 3.)), os.wait4
    monkeypatch.setattr(stages.os, 'wait4', lambda *args: (
        *wait(*args)[:2], SimpleNamespace(ru_utime=next(cpu_seconds), ru_stime=0.)))
    code = (f"import os, time\nif not os.path.exists('{tmp_path}/begun'):\n"
            f" open('{tmp_path}/begun', 'w'); time.sleep(100)\n"
            f"assert os.path.exists('{tmp_path}/mended')\nprint()")
    stage = toy_stage(tmp_path, 'a', code)
    runner = StageRunner(tmp_path / 'run', 2, tmp_path)

    def interrupt(self):
        while not (tmp_path / 'begun').exists():
            pass
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StageRunner, 'wait_for_one', interrupt)
        runner.run_all([stage])
    assert runner.running == {}  # nothing goes on behind the command's back
    assert runner.note(stage)['before']['cpu_seconds'] == 100
    with pytest.raises(ValueError, match='status 1'):
        run_toys(tmp_path, [stage])
    (tmp_path / 'mended').touch()
    run_toys(tmp_path, [stage])
    assert runner.note(stage)['cpu_seconds'] == 123
    assert 'before' not in runner.note(stage)


@pytest.fixture
def run_elsewhere(tmp_path):
    """A stage that another command runs until ``go`` is there, and that command's runner."""
    code = (f"import os, time\nwhile not os.path.exists('{tmp_path}/go'): time.sleep(.01)\n"
            f"assert not os.path.exists('{tmp_path}/fail')")
    stage = toy_stage(tmp_path, 'a', code)
    runner = StageRunner(tmp_path / 'run', 1, tmp_path)
    assert runner.start(stage)
    yield stage, runner
    (tmp_path / 'go').touch()
    while runner.running:
        runner.wait_for_one()


def test_a_stage_that_another_command_runs_with_other_settings_is_not_touched(
        tmp_path, run_elsewhere, monkeypatch):
    """Neither removed for them, nor charged with that."""
    stage, runner = run_elsewhere
    note = runner.note(stage)
    # Taken for the same, it would be waited for without an end.
    monkeypatch.setattr(stages.time, 'sleep', lambda _: pytest.fail('it is waited for'))
    with pytest.raises(ValueError, match=r'run/a must be run with the same settings.*--work-dir'):
        run_toys(tmp_path, [toy_stage(tmp_path, 'a', 'pass')])
    assert runner.note(stage) == note
    (tmp_path / 'go').touch()
    assert runner.wait_for_one() is stage
    assert run_toys(tmp_path, [toy_stage(tmp_path, 'a', 'pass')]) == ['a'], 'given back'


@pytest.mark.parametrize('fails', [False, True])
def test_what_another_command_runs_is_waited_for(
        tmp_path, run_elsewhere, monkeypatch, capsys, fails):
    """Other stages first; and if it fails there, it is run here."""
    stage, runner = run_elsewhere
    toys = [stage, toy_stage(tmp_path, 'b', 'pass', [stage]), toy_stage(tmp_path, 'c', 'pass')]
    looked = []

    def let_it_end(seconds):
        looked.append(seconds)
        if len(looked) == 2:  # told once, looked twice
            if fails:
                (tmp_path / 'fail').touch()
            (tmp_path / 'go').touch()
            pid, = runner.running
            failed = runner._take(*os.wait4(pid, 0))[2]
            assert bool(failed) == fails
            (tmp_path / 'fail').unlink(missing_ok=True)

    monkeypatch.setattr(stages.time, 'sleep', let_it_end)
    assert run_toys(tmp_path, toys) == ['c', 'a', 'b']
    assert len(looked) == 2
    assert not StageRunner(tmp_path / 'run', 1, tmp_path).start(stage), 'it has ended by now'
    assert capsys.readouterr().out.count('a: another command runs it, waiting') == 1


def test_what_ended_and_lost_its_output_is_charged_with_both(tmp_path, monkeypatch):
    cpu_seconds, wait = iter((100., 20.)), os.wait4
    monkeypatch.setattr(stages.os, 'wait4', lambda *args: (
        *wait(*args)[:2], SimpleNamespace(ru_utime=next(cpu_seconds), ru_stime=0.)))
    stage = toy_stage(tmp_path, 'a', 'pass')
    run_toys(tmp_path, [stage])
    stage.output.unlink()
    run_toys(tmp_path, [stage])
    assert StageRunner(tmp_path / 'run', 1, tmp_path).note(stage)['cpu_seconds'] == 120


def test_failed_stage_is_told_and_run_again(tmp_path):
    broken = f"import os; assert os.path.exists('{tmp_path}/mended'), 'no ' + 'luck'"
    toys = [toy_stage(tmp_path, 'a', 'pass')]
    toys.append(toy_stage(tmp_path, 'b', broken, toys))
    with pytest.raises(ValueError, match='b ended with status 1(?s:.*)no luck'):
        run_toys(tmp_path, toys)
    (tmp_path / 'mended').touch()
    assert run_toys(tmp_path, toys) == ['b']


def test_stages_run_side_by_side(tmp_path):
    # Each waits for the other one: one at a time they would wait for ever.
    def waiting(name, other):
        code = (f"import os, time; open('{tmp_path}/{name}.here', 'w')\n"
                f"while not os.path.exists('{tmp_path}/{other}.here'): time.sleep(.01)\nprint()")
        return toy_stage(tmp_path, name, code)

    assert set(run_toys(tmp_path, [waiting('a', 'b'), waiting('b', 'a')], jobs=2)) == {'a', 'b'}
