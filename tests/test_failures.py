import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import MODELS

from amd_mm.failures import command, describe


def raised(function, *arguments) -> Exception:
    with pytest.raises(Exception) as caught:
        function(*arguments)
    return caught.value


class Part:

    def __init__(self, size: int) -> None:
        assert size > 0, 'size is too small'


def load(text: str, path: Path) -> None:
    path.write_text(text)
    torch.load(path)


def raise_(error: Exception) -> None:
    raise error


@pytest.mark.parametrize('error, message, status', [
    (ValueError('a must be 1, got 2; set 1'), 'a must be 1, got 2; set 1', 2),
    (FileNotFoundError(2, 'No such file or directory', 'a.txt'),
     'a.txt: must be a file or folder that can be used, but: No such file or directory', 2),
    (ModuleNotFoundError("No module named 'timm'", name='timm.models'),
     "the module timm must be installed for this, but is not there; pip install 'amd-mm[interop]'",
     2),
    (ModuleNotFoundError("No module named 'mine'", name='mine'), 'its folder on PYTHONPATH', 2),
    (torch.OutOfMemoryError('CUDA out of memory'), 'lower train_dataloader.batch_size', 2),
    (FloatingPointError('loss is nan'), 'loss is nan', 2),
    (KeyError('x'), 'KeyError: x; this should not happen', 1),
    (AssertionError(), 'AssertionError: no message', 1),
    (RuntimeError('one\n\n\ntwo'), 'RuntimeError: one\ntwo; this', 1),
])
def test_descriptions(error, message, status):
    found = describe(raised(raise_, error))
    assert message in found[0]
    assert found[1] == status


def test_the_message_of_another_process_is_its_last_line():
    text = ('Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent '
            'call last):\n  File "a.py", line 3, in f\n    raise\n    ^^\nValueError: b must be 1')
    assert describe(ValueError(text)) == ('b must be 1', 2)


def test_a_long_message_is_shortened():
    message, _ = describe(ValueError('\n'.join(map(str, range(1000)))))
    assert message.splitlines()[-1] == '29 ...'


@pytest.mark.parametrize('cfg, message', [
    (dict(type=Part), "Part: must be built as the config has it, but Part.__init__() missing 1 "
     "required positional argument: 'size'; correct its settings"),
    (dict(type=Part, size=0), 'Part: must be built as the config has it, but size is too small'),
    (dict(type='Nothing'), "a type of the config must be registered, got 'Nothing', which is not "
     'in mmengine::model'),
    (dict(type='amd_mm.PixelLoss', distance='l3', loss_weight=1.),
     'distance of PixelLoss must be'),
])
def test_a_part_that_cannot_be_built(cfg, message):
    found, status = describe(raised(MODELS.build, cfg))
    assert found.startswith(message)
    assert status == 2


@pytest.mark.parametrize('ask', [lambda cfg: cfg.model, lambda cfg: cfg['model']])
def test_a_key_that_the_config_lacks(ask):
    assert describe(raised(ask, Config(dict(a=1)))) == (
        'the config must have model for this command, but has not; give another config, or set it',
        2)


def test_a_file_that_is_no_checkpoint(tmp_path):
    message, status = describe(raised(load, 'text', tmp_path / 'a.pth'))
    assert message.startswith(f'{tmp_path}/a.pth: must be a checkpoint that torch can read, but')
    assert status == 2


@pytest.mark.parametrize('returned, status', [(None, 0), (0, 0), (3, 3)])
def test_a_command_returns_its_status(capsys, returned, status):
    assert command(lambda: returned)() == status
    assert capsys.readouterr() == ('', '')


@pytest.mark.parametrize('lines, unbuffered, status', [
    (1, '', 0), (1, '1', 141), (10**5, '', 141)])
def test_output_that_nobody_reads_is_no_fault(lines, unbuffered, status):
    """Such as behind ``| head``: nothing is said of it."""
    program = ('import sys\nfrom amd_mm.failures import command\n@command\ndef main():\n'
               f'    sys.stdin.read()\n    for _ in range({lines}):\n        print("line")\n'
               'sys.exit(main())')
    process = subprocess.Popen(
        [sys.executable, '-c', program], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONUNBUFFERED=unbuffered))
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == '' and process.wait(timeout=60) == status


def test_ctrl_c(capsys):
    assert command(lambda: raise_(KeyboardInterrupt()))() == 130
    assert capsys.readouterr().err == 'interrupted\n'


def test_the_traceback_goes_to_a_file_that_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    monkeypatch.setattr(sys, 'argv', ['tools/train.py', 'a.py'])
    monkeypatch.setenv('RANK', '3')
    assert command(raise_)(ValueError('wrong')) == 2
    file, = tmp_path.iterdir()
    assert capsys.readouterr() == ('', f'rank 3: error: wrong (traceback: {file})\n')
    text = file.read_text()
    assert text.startswith('tools/train.py a.py\nTraceback') and text.endswith('wrong\n')


def test_the_traceback_goes_to_the_log_of_the_run(capsys, tmp_path):
    log = tmp_path / 'run.log'

    def run() -> None:
        MMLogger.get_instance(str(log), log_file=str(log)).info('it begins')
        raise KeyError('bug')

    assert command(run)() == 1
    assert f'(traceback: {log})' in capsys.readouterr().err
    assert 'it begins' in log.read_text() and log.read_text().endswith("KeyError: 'bug'\n")
