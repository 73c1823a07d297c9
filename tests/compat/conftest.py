"""The hosts without our fixes can only be seen in a process of their own."""
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import amd_mm  # noqa: F401  (first: the tests import the hosts)

REPOSITORY = Path(__file__).parents[2]


def _run_python(code: str, *path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, 'OMP_NUM_THREADS': '1', **environment,
           'PYTHONPATH': os.pathsep.join(map(str, [*path, REPOSITORY]))}
    return subprocess.run([sys.executable, '-W', 'ignore', '-c', code], env=env, text=True,
                          capture_output=True, timeout=300)


@pytest.fixture(scope='session')
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code in a fresh interpreter: (code, *folders first on the path, **environment)."""
    return _run_python


@pytest.fixture(scope='session')
def one_process() -> dict[str, str]:
    """The environment that torchrun gives the only process of a run."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    return dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0', MASTER_ADDR='127.0.0.1',
                MASTER_PORT=str(port))


@pytest.fixture(scope='session')
def raw_symptoms(one_process: dict[str, str]) -> dict[str, str]:
    """What the hosts do without us: name of a fix -> the error, '' if there is none."""
    code = (Path(__file__).parent / 'raw_hosts.py').read_text(encoding='utf-8')
    done = _run_python(code, **one_process)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
