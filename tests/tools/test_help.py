"""The help of a command is there before torch is imported, which takes seconds."""
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from amd_mm.arguments import device, parse_first
from amd_mm.checkpoints.facts import SEQUENCE, SPACE_TIME
from amd_mm.checkpoints.layouts import LAYOUT_NAMES
from amd_mm.export.files import TARGETS
from amd_mm.inference import FORMATS, POOLS

TOOLS = Path(__file__).parents[2] / 'tools'
COMMANDS = sorted(str(path) for path in TOOLS.rglob('*.py')
                  if "if __name__ == '__main__':" in path.read_text()
                  and path.name != '_torchrun.py')
# One process for all of them: if one imports torch, it and those after it are seen to.
ASK = '''
import contextlib, io, json, os, runpy, sys
found = {}
for name in sys.argv[1:]:
    sys.argv, sys.path[0] = [name, '--help'], os.path.dirname(name)
    said, status = io.StringIO(), None
    with contextlib.redirect_stdout(said):
        try:
            runpy.run_path(name, run_name='__main__')
        except SystemExit as end:
            status = end.code
    found[name] = [status, said.getvalue()[:6], 'torch' in sys.modules]
print(json.dumps(found))
'''


def test_no_command_imports_torch_for_its_help() -> None:
    found = subprocess.run([sys.executable, '-c', ASK, *COMMANDS], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert len(COMMANDS) > 25
    assert json.loads(found.stdout) == dict.fromkeys(
        COMMANDS, [0, 'usage:', False])


def test_a_tool_that_is_imported_reads_no_words() -> None:
    def parse() -> None:
        raise SystemExit(2)
    parse_first('tool', parse)
    with pytest.raises(SystemExit):
        parse_first('__main__', parse)


def test_the_device_that_is_there() -> None:
    assert device('auto') == 'cpu' == device('cpu')


def test_what_convert_checkpoint_names_without_torch() -> None:
    tool = runpy.run_path(str(TOOLS / 'convert_checkpoint.py'))
    assert tool['LAYOUTS'] == LAYOUT_NAMES and (*tool['LAYOUTS'], 'onnx') == TARGETS
    assert tool['TABLES'] == (SEQUENCE, SPACE_TIME)


def test_what_others_name_without_torch() -> None:
    assert runpy.run_path(str(TOOLS / 'predict.py'))['WRITTEN'] == FORMATS
    assert runpy.run_path(str(TOOLS / 'extract_features.py'))['POOLS'] == POOLS
