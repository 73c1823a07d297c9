import re
import sys

import pytest
from runs import command

from amd_mm.command import main
from amd_mm.command.main import _SAYS, _TOOLS
from amd_mm.command.parsers import PARSERS
from amd_mm.command.places import TOOLS


def test_every_sub_command_has_what_does_it():
    assert set(_SAYS) == {*_TOOLS, *PARSERS}
    for name in _TOOLS.values():
        assert (TOOLS / name).is_file()


def test_help_tells_what_there_is(capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    shown = capsys.readouterr().out
    assert re.findall(r'^  (\w+) ', shown, re.MULTILINE)[:len(_SAYS)] == list(_SAYS)


@pytest.mark.parametrize('line, status, message', [
    ([], 2, 'arguments are required: COMMAND'),
    (['tune'], 2, "invalid choice: 'tune'"),
    (['pretrain', '--data', 'x'], 2, 'arguments are required: --out'),
    (['pretrain', '--data', 'x', '--out', 'y', '--method', 'amb'], 2, "invalid choice: 'amb'"),
    (['pretrain', '--data', 'x', '--out', 'y', '--size', '0'], 2, 'must be a whole number'),
    (['finetune', '--data', 'x', '--out', 'y'], 2, 'arguments are required: --from'),
])
def test_what_is_no_line_is_refused(line, status, message, capsys):
    with pytest.raises(SystemExit, match=str(status)):
        main(line)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('name', PARSERS)
def test_what_cannot_be_is_one_paragraph(name, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, 'argv', ['amd-mm'])
    line = [name, '--data', str(tmp_path / 'nowhere'), '--out', str(tmp_path / 'out')]
    assert main(line + (['--from', 'x.pth'] if name == 'finetune' else [])) == 2
    printed, = capsys.readouterr().err.splitlines()
    assert printed.startswith('error: ') and 'nowhere: --data must be a folder or a list' in printed
    assert not (tmp_path / 'out').exists()


def test_a_tool_is_run_under_the_name_of_the_sub_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['amd-mm'])
    assert main(['config', '--help']) == 0
    assert capsys.readouterr().out.startswith('usage: amd-mm config ')
    assert main(['config', 'nowhere.py']) == 2
    assert 'nowhere.py: a config must be a file' in capsys.readouterr().err


def test_help_does_not_wait_for_torch():
    """One process for all sub-commands: if one imports torch, it and those after it are seen."""
    program = ('import sys\nfrom amd_mm.command import main\n'
               'for name in sys.argv[1:]:\n'
               '    try:\n        status = main([name, "--help"])\n'
               '    except SystemExit as stop:\n        status = stop.code\n'
               '    print(name, status, {"torch", "mmcv", "mmengine.runner"} & {*sys.modules})')
    shown = command('python', '-c', program, *_SAYS)
    for name in _SAYS:
        assert f'usage: amd-mm {name}' in shown and f'\n{name} 0 set()\n' in shown
