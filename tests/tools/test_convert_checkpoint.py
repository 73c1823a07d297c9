"""The commands, as a user runs them: exit status, what they print and what is left."""
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from golden import golden

ROOT = Path(__file__).parents[2]
AMD = 'configs/amd/amd_vit-base-p16_8xb16-accum4-16x4x1-200e_kinetics400-rgb.py'


def run(tool: str, *args: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / 'tools' / tool, *args], capture_output=True,
                          text=True, env={**os.environ, 'PYTHONPATH': str(ROOT)}, cwd=ROOT)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.save({'model': golden('amd.student.')}, tmp_path / 'theirs.pth')
    return tmp_path / 'theirs.pth'


def test_converts(source: Path, tmp_path: Path) -> None:
    done = run('convert_checkpoint.py', source, tmp_path / 'ours.pth', '--part', 'encoder')
    assert done.returncode == 0, done.stderr
    assert 'videomae (video) -> amd_mm (video): 56 weights' in done.stdout
    assert 'dropped: mask_token' in done.stdout and 'written: ' in done.stdout
    state = torch.load(tmp_path / 'ours.pth')['state_dict']
    want = golden('amd.student.encoder.blocks.2.attn.q_bias')['']
    assert torch.equal(state['backbone.blocks.2.attn.q_bias'], want)


def test_an_unexplained_key_stops_it(source: Path, tmp_path: Path) -> None:
    torch.save({'model': golden('amd.student.') | {'encoder.blocks.0.attn.k_bias': torch.ones(24)}},
               source)
    done = run('convert_checkpoint.py', source, tmp_path / 'ours.pth')
    assert done.returncode == 1 and not done.stdout
    assert 'keys are unknown: encoder.blocks.0.attn.k_bias' in done.stderr
    assert 'Traceback' not in done.stderr
    assert os.listdir(tmp_path) == ['theirs.pth']


def test_model_zoo(source: Path) -> None:
    listed = run('model_zoo.py', 'list')
    assert listed.returncode == 0 and 'mae-large-full\n' in listed.stdout
    checked = run('model_zoo.py', 'check', source, '--config', AMD)
    assert checked.returncode == 1
    assert 'width 24, depth 4, patch 8, tubelet 2; layout videomae (video); holds decoder, ' \
        'encoder, neck' in checked.stdout
    assert 'width: checkpoint 24, model 1024' in checked.stderr
