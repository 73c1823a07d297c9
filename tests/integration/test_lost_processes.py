"""Two processes without a launcher that would see one of them end, as on two machines."""
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from processes import pid, wait_for
from runs import HELPERS, toy_config

import amd_mm

ROOT = Path(amd_mm.__file__).parents[1]
HOST = socket.gethostname()


def start(cfg: Config, *options: str) -> list[subprocess.Popen]:
    """Both ranks; the options are the second one's alone."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    path = Path(cfg.work_dir, 'config.py')
    cfg.dump(path)
    return [subprocess.Popen(
        [sys.executable, ROOT / 'tools' / 'train.py', path, '--work-dir', cfg.work_dir,
         '--launcher', 'pytorch', *(options if rank else ())],
        text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=dict(os.environ, OMP_NUM_THREADS='1', RANK=str(rank), LOCAL_RANK=str(rank),
                 WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port),
                 PYTHONPATH=f'{ROOT}{os.pathsep}{HELPERS}')) for rank in range(2)]


def last_line(process: subprocess.Popen) -> str:
    _, error = process.communicate(timeout=120)
    return error.splitlines()[-1]


def slow_config(work_dir: Path) -> Config:
    cfg = toy_config(work_dir, size=400, max_epochs=1)
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo', timeout=2))
    cfg.custom_hooks.append(dict(type='SlowHook'))
    return cfg


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_who_is_left_names_who_is_gone(tmp_path, number):
    cfg = slow_config(tmp_path)
    first, second = start(cfg)
    wait_for(cfg.work_dir, 1, 3)
    assert pid(cfg, 1) == second.pid
    second.send_signal(number)
    line = last_line(first)
    assert first.returncode == 1
    assert (f'rank 0 on {HOST} waited in vain: missing: rank 1 on {HOST} (process {second.pid}) '
            '(killed, for instance for lack of memory, hung, or its machine is cut off)') in line
    second.kill()
    second.communicate()


@pytest.mark.slow
def test_who_fails_says_so_to_the_other(tmp_path):
    cfg = slow_config(tmp_path)
    cfg.custom_hooks.append(dict(type='RaiseHook', rank=1, iteration=2))
    first, second = start(cfg)
    said, line = last_line(second), last_line(first)
    assert first.returncode == 1
    assert said.startswith('rank 1: error: the data of rank 1 are gone')
    assert f'rank 1 on {HOST} (process {second.pid}) failed: the data of rank 1 are gone' in line


@pytest.mark.slow
def test_runs_that_differ_are_refused_by_both(tmp_path):
    processes = start(slow_config(tmp_path), '--cfg-options', 'randomness.seed=1')
    for process in processes:
        line = last_line(process)
        assert process.returncode == 2
        assert re.search(r'rank 1 on .* differs from rank 0 on .* in config: randomness.seed 1 '
                         'instead of 0; start all with one command line', line)
    assert not list(tmp_path.glob('*.pth'))
