"""Checkpoints as runs leave them, with the config inside, and the tool that exports them."""
import runpy
import signal
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn
from tuned import fine_tuned

ROOT = Path(__file__).parents[2]
CLASSES = ('first', 'second', 'third')


def tuned_checkpoint(name: str, folder: Path,
                     classes: tuple[str, ...] = CLASSES) -> tuple[Path, Config, nn.Module]:
    """``folder/last.pth`` of a small recipe, its config and its model."""
    folder.mkdir(parents=True, exist_ok=True)
    config, model = fine_tuned(name, folder, classes)
    path = folder / 'last.pth'
    content = torch.load(path, weights_only=False)
    content['meta']['cfg'] = config.pretty_text
    torch.save(content, path)
    return path, config, model


def run_export(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """The exit status of ``tools/export.py`` in this process."""
    monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, words)])
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as status:
        runpy.run_path(str(ROOT / 'tools/export.py'), run_name='__main__')
    signal.signal(signal.SIGTERM, handler)
    return status.value.code
