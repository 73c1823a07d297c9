import os
import signal
import socket
import subprocess
import sys

import pytest
from runs import run, toy_config

from amd_mm.engine import WorkDirLock, prepare_start, work_dir_lock

HOLD = '''
import sys, time
from amd_mm.engine import WorkDirLock
WorkDirLock(sys.argv[1]).acquire()
print('held', flush=True)
time.sleep(100)
'''


@pytest.fixture
def holding(tmp_path):
    """Another process that has the work dir."""
    process = subprocess.Popen([sys.executable, '-c', HOLD, tmp_path],
                               stdout=subprocess.PIPE, text=True)
    while 'held' not in process.stdout.readline():
        assert process.poll() is None
    yield process
    process.kill()
    process.wait()


def test_the_second_run_is_refused_with_the_firsts_host_and_process(tmp_path, holding):
    said = f'but process {holding.pid} on host .*{socket.gethostname()}.* trains in it'
    with pytest.raises(ValueError, match=said):
        prepare_start(toy_config(tmp_path), None, overwrite=True)
    cfg = toy_config(tmp_path)
    cfg.custom_hooks.append(dict(type='amd_mm.WorkDirLockHook'))
    with pytest.raises(ValueError, match=said):
        run(cfg)


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, holding):
    holding.send_signal(signal.SIGKILL)
    holding.wait()
    assert (tmp_path / '.lock').is_file()
    lock = WorkDirLock(tmp_path)
    lock.acquire()
    assert f'pid={os.getpid()}\n' in (tmp_path / '.lock').read_text()
    lock.acquire()
    lock.release()
    assert not (tmp_path / '.lock').exists()
    lock.release()


def test_another_host_that_has_died_is_waited_for_and_taken_over(tmp_path, monkeypatch):
    """Of its processes nothing is known here; it does not renew its lock."""
    monkeypatch.setattr(work_dir_lock, 'LEASE', .6)
    lock = WorkDirLock(tmp_path)
    lock.acquire()
    text = (tmp_path / '.lock').read_text()
    lock.release()
    (tmp_path / '.lock').write_text(text.replace(f'host={text.split("host=")[1].split()[0]}',
                                                 'host=node17'))
    lock.acquire()
    assert 'node17' not in (tmp_path / '.lock').read_text()
    lock.release()


def test_a_run_that_lost_its_lock_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(work_dir_lock, 'LEASE', .3)
    lock = WorkDirLock(tmp_path)
    lock.acquire()
    (tmp_path / '.lock').unlink()
    lease = lock._held[lock.work_dir]
    lease._claim.heartbeat.thread.join(timeout=30)
    with pytest.raises(ValueError, match='This run had it before, and did not renew it'):
        lock.require_held()
    lock.release()
