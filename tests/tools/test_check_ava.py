"""The command that checks annotations, in this process."""
import importlib.util
import re
from pathlib import Path

import ava_set
import pytest

TOOL = Path(__file__).parents[2] / 'tools' / 'data' / 'check_ava.py'
NAME = 'vit-base-p16_k400-amd-pre_b64-16x4x1-20e-adamw_ava22-rgb'


@pytest.fixture
def main(tmp_path: Path, monkeypatch):
    spec = importlib.util.spec_from_file_location('check_ava', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    root = ava_set.make_set(tmp_path / 'set')
    ava_set.small(NAME, root, tmp_path, None).dump(tmp_path / 'config.py')
    monkeypatch.setattr('sys.argv', [str(TOOL), str(tmp_path / 'config.py')])
    return module.main


def test_counts(main, capsys) -> None:
    assert main() == 0
    counts = '5 key frames of 2 videos, 10 boxes, 10 proposals, no fault'
    lines = [line for line in capsys.readouterr().out.splitlines() if line.endswith('no fault')]
    assert lines == [f'{part}: {counts}' for part in ('train', 'val', 'test')]


def test_faults_are_the_last_message(main, tmp_path: Path, capsys) -> None:
    ava_set.write_rows(tmp_path / 'set', ['bikes,0001,0.1,0.1,1.2,0.9,3,0'])
    assert main() == 2
    assert re.search('error: train: .*\n  .*boxes.csv:1: a box must lie', capsys.readouterr().err)
