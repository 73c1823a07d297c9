import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import run_tool

TOOL = Path(__file__).parents[2] / 'tools/print_config.py'


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / 'config.py'
    path.write_text(
        "length = 3\ntrain_cfg = dict(type='amd_mm.EpochTrainLoop', max_epochs=length)\n")
    return path


@pytest.fixture
def printed(monkeypatch, capsys) -> Callable[..., list[str]]:
    """Runs the tool; returns the lines that it printed."""
    def run(*arguments: str | Path) -> list[str]:
        monkeypatch.setattr(sys, 'argv', ['print_config.py', *map(str, arguments)])
        run_tool(TOOL)
        return capsys.readouterr().out.splitlines()
    return run


def test_page(printed, config):
    lines = printed(config, '--cfg-options', 'train_cfg.val_begin=2')
    assert [line for line in lines if '=' in line] == [
        "train_cfg.type = 'amd_mm.EpochTrainLoop'", 'train_cfg.max_epochs = 3',
        'train_cfg.val_begin = 2', 'train_cfg.val_interval = 1  # default',
        'train_cfg.dynamic_intervals = None  # default',
        'train_cfg.wait_limit = 480  # default']


def test_options_change_the_config_and_not_the_other(printed, config):
    assert printed(config, '--diff', config, '--cfg-options', 'train_cfg.max_epochs=5') == [
        '- train_cfg.max_epochs = 3', '+ train_cfg.max_epochs = 5']
    assert printed(config, '--diff', config) == ['no setting differs']


def test_an_unknown_part_is_named(printed, config, capsys):
    with pytest.raises(SystemExit, match='2'):
        printed(config, '--cfg-options', 'train_cfg.type=amd_mm.EpochLoop')
    assert "got 'amd_mm.EpochLoop'; write 'amd_mm.EpochTrainLoop'" in capsys.readouterr().err
