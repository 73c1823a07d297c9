"""Two machines, made of network namespaces of this one, and the network between them."""
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from processes import pid, wait_for
from runs import HELPERS, toy_config

import amd_mm

ROOT = Path(amd_mm.__file__).parents[1]
ADDRESSES = ('10.77.1.1', '10.77.1.2')


def ip(*arguments: str) -> bool:
    """Whether a command of ``ip`` was done."""
    return subprocess.run(['ip', *arguments], stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture
def machines() -> Iterator[list[str]]:
    """Names of two namespaces with a cable each to one switch."""
    names = [f'amd{os.getpid() % 100000}{end}' for end in 'ab']
    switch = f'{names[0]}s'
    if shutil.which('ip') is None or not ip('netns', 'add', names[0]):
        pytest.skip('no network namespaces here: they need root and iproute2')
    try:
        made = ip('netns', 'add', names[1]) and ip('link', 'add', switch, 'type', 'bridge') and ip(
            'link', 'set', switch, 'up')
        for name, address in zip(names, ADDRESSES, strict=True):
            made = made and ip('link', 'add', f'{name}v', 'type', 'veth', 'peer', 'name', 'eth0',
                               'netns', name)
            made = made and ip('link', 'set', f'{name}v', 'master', switch, 'up')
            made = made and ip('-n', name, 'addr', 'add', f'{address}/24', 'dev', 'eth0')
            made = made and ip('-n', name, 'link', 'set', 'eth0', 'up')
            made = made and ip('-n', name, 'link', 'set', 'lo', 'up')
        if not made:
            pytest.skip('no cables between network namespaces here: they need veth and bridge')
        yield names
    finally:
        for name in names:
            ip('link', 'del', f'{name}v')  # a namespace is gone some time after it is deleted
            ip('netns', 'del', name)
        ip('link', 'del', switch)


def start(machines: list[str], cfg: Config,
          interfaces: tuple[str, str] = ('eth0', 'eth0')) -> list[subprocess.Popen]:
    """One process on each machine, by ``dist_train.sh``."""
    path = Path(cfg.work_dir, 'config.py')
    cfg.dump(path)
    return [subprocess.Popen(
        ['ip', 'netns', 'exec', name, 'bash', ROOT / 'tools' / 'dist_train.sh', path, '1',
         '--work-dir', cfg.work_dir], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, OMP_NUM_THREADS='1', NNODES='2', NODE_RANK=str(rank),
                 MASTER_ADDR=ADDRESSES[0], GLOO_SOCKET_IFNAME=interfaces[rank],
                 PATH=f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}',
                 PYTHONPATH=f'{ROOT}{os.pathsep}{HELPERS}'))
        for rank, name in enumerate(machines)]


@pytest.mark.slow
@pytest.mark.parametrize('parts', [True, False], ids=['parted', 'killed'])
def test_both_sides_say_who_is_missing(tmp_path, machines, parts):
    cfg = toy_config(tmp_path, size=4000, max_epochs=1)
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo', timeout=3))
    cfg.custom_hooks.append(dict(type='SlowHook'))
    processes = start(machines, cfg)
    for rank in range(2):
        wait_for(cfg.work_dir, rank, 3)
    if parts:
        assert ip('link', 'set', f'{machines[1]}v', 'nomaster')
    else:
        os.kill(pid(cfg, 1), 9)
    first, second = (process.communicate(timeout=120)[0] for process in processes)
    assert [process.returncode for process in processes] == [1, 1]
    assert f'missing: rank 1 on {os.uname().nodename} (process {pid(cfg, 1)})' in first
    if parts:
        assert (f'(process {pid(cfg, 0)}) does not answer at {ADDRESSES[0]}:29500 any more '
                '(timed out)') in second
    else:
        assert 'rank 1 was ended by SIGKILL, as happens when memory runs out' in second


@pytest.mark.slow
@pytest.mark.parametrize('interfaces, status, fault', [
    (('eth0', 'eth1'), 2, "rank 1 on {} (process {}): GLOO_SOCKET_IFNAME is 'eth1', and there are "
     'lo, eth0'),
    (('eth0', 'lo'), 1, 'rank 0 on {} (process {}): does not reach rank 1 on ')])
def test_both_sides_say_which_interface_is_wrong(tmp_path, machines, interfaces, status, fault):
    cfg = toy_config(tmp_path)
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo'))
    processes = start(machines, cfg, interfaces)
    said = [process.communicate(timeout=120)[0] for process in processes]
    begin, end = fault.split('{}')[0], fault.split('{}')[-1]
    for out, process in zip(said, processes, strict=True):
        # Of the launcher.
        assert process.returncode == 1
        assert f'ended with status {status}: ' in out
        assert begin in out and end in out
