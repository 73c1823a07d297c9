import io
import os
import sys
import warnings
from pathlib import Path

import pytest
from mmengine.logging import MMLogger, print_log
from rich.console import Console as Terminal

from amd_mm.console import Console

HEADER = dict(method='AMD', data='12 samples')


@pytest.fixture
def log(tmp_path, request) -> MMLogger:
    # As MMEngine's runners make theirs.
    return MMLogger.get_instance(
        request.node.name, log_file=str(tmp_path / 'log.txt'), file_mode='a')


def text(logger: MMLogger) -> str:
    return Path(logger.log_file).read_text()


def test_a_run_that_fails_before_its_start_leaves_nothing(capsys, log):
    with pytest.raises(ValueError), Console():
        print('config')
        log.info('environment')
        log.warning('rate')
        print('network')
        raise ValueError
    assert capsys.readouterr() == ('', '')
    assert 'config\n' in text(log) and 'environment' in text(log) and 'rate' in text(log)
    assert 'network\n' in text(log)


def test_header_warnings_and_what_is_printed_later_are_shown(capsys, log):
    with Console() as console:
        log.warning('rate')
        log.info('environment')
        assert capsys.readouterr().out == ''
        console.start(HEADER)
        assert capsys.readouterr().out == (
            'method  AMD\ndata    12 samples\nwarning: rate\n')
        print('own print')
        log.info('a parameter')
        print_log('bad sample', log, level=30)
        assert capsys.readouterr().out == 'own print\nwarning: bad sample\n'
        stream = sys.stdout
    assert 'a parameter' in text(log) and 'bad sample' in text(log)
    print('after', file=stream)  # as a handler does, which keeps the stream
    assert capsys.readouterr().out == 'after\n' and sys.stdout is not stream


def test_a_run_without_a_step_shows_its_warnings_at_the_end(capsys, log):
    with Console():
        log.warning('nothing is left to do')
    assert capsys.readouterr().out == 'warning: nothing is left to do\n'


def test_only_warnings_that_concern_the_user_are_shown(capsys, log, tmp_path):
    with Console() as console, warnings.catch_warnings():
        warnings.simplefilter('always')
        console.start(HEADER)
        log.info('the file is known')
        capsys.readouterr()
        for file in (warnings.__file__, str(tmp_path / 'own.py'), sys.modules['amd_mm'].__file__):
            warnings.warn_explicit(f'from {Path(file).name}', UserWarning, file, 1)
            warnings.warn_explicit('of a language', DeprecationWarning, file, 1)
        warnings.warn_explicit('`broadcast_buffers` is deprecated. Use', FutureWarning,
                               str(tmp_path / 'own.py'), 1)
        log.warning('"FileClient" will be deprecated in future')
        log.warning('backbone.pos_embed is skipped since its requires_grad=False')
    shown = capsys.readouterr()
    assert shown.out == 'warning: from own.py\nwarning: from __init__.py\n' and shown.err == ''
    assert all(f'from {name}' in text(log) for name in ('warnings.py', 'own.py', '__init__.py'))


def test_lines_of_the_logger_hook_are_shown_without_what_only_machines_read(capsys, log):
    def say(message: str) -> None:
        log.handle(log.makeRecord('x', 20, 'mmengine/logger_hook.py', 1, message, (), None))
    with Console() as console:
        console.start(HEADER)
        capsys.readouterr()
        say('Epoch(test)  [3/3]  top1: 0.5  matrix: tensor([[1, 2],\n  [3, 4]], device=1)  time: 2')
        say('Epoch(train)  [1][3/3]  loss: 1.0')
        say('Exp name: run_2026')
    out = capsys.readouterr().out
    assert out.count('\n') == 2 and ' Epoch(test) [3/3] top1: 0.5 time: 2\n' in out
    assert out.endswith(' Epoch(train) [1][3/3] loss: 1.0\n')


@pytest.fixture
def screen(monkeypatch) -> io.StringIO:
    """Where a terminal of 200 columns writes."""
    stream = io.StringIO()
    monkeypatch.setattr('amd_mm.console.Terminal', lambda file: Terminal(
        file=stream, force_terminal=True, width=200, color_system=None, legacy_windows=False,
        _environ={'TERM': 'xterm'}))
    return stream


def test_a_terminal_has_a_bar_with_what_is_left_and_keeps_the_ends_of_epochs(screen, log):
    def say(message: str) -> None:
        log.handle(log.makeRecord('x', 20, 'mmengine/logger_hook.py', 1, message, (), None))
    with Console() as console:
        assert console.is_terminal
        console.start(HEADER)
        console.progress('training', 30, 40, 'loss 1.5')
        console._progress.refresh()
        say('Epoch(train) [1][10/20] eta: 0:01:00 loss: 2.0')
        say('Epoch(train) [1][20/20] eta: 0:00:30 loss: 1.0')
        say('Epoch(val) [10/20] eta: 0:00:01')
        console.end_epoch()
        console.finish('training')
    lines = screen.getvalue()
    assert 'training' in lines and '30/40' in lines and 'eta' in lines and 'loss 1.5' in lines
    assert 'loss: 1.0' in lines and 'loss: 2.0' not in lines and 'Epoch(val)' not in lines


def test_a_process_that_loads_data_does_not_write_into_the_bar(screen, log):
    with Console() as console:
        console.start(HEADER)
        log.info('the file is known')
        child = os.fork()
        if child == 0:
            print('of the loader')
            log.warning('bad video')
            os._exit(0)
        os.waitpid(child, 0)
        print('own print')
    assert 'own print' in screen.getvalue() and 'of the loader' not in screen.getvalue()
    assert 'bad video' not in screen.getvalue()
    assert 'of the loader' in text(log) and 'bad video' in text(log)


def test_of_many_warnings_of_a_kind_the_first_are_shown_and_no_binary(capsys, log):
    with Console() as console:
        console.start(HEADER)
        capsys.readouterr()
        for number in range(8):
            log.warning(f'Bad sample: {number}\x07\x1b[2J.mp4')
        log.warning('Slow: wait')
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f'warning: Bad sample: {number}??[2J.mp4' for number in range(4)] + [
        f'warning: Bad sample: 4??[2J.mp4 (others of this kind are only in {log.log_file})',
        'warning: Slow: wait']
    assert 'Bad sample: 7' in text(log)


def test_other_processes_of_a_run_show_nothing(capsys, log, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    with Console() as console:
        log.warning('seen by all')
        console.start(HEADER)
        console.show('done')
    assert capsys.readouterr() == ('', '')
