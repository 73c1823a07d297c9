import socket
from datetime import timedelta

import pytest
import torch
from mmengine.config import Config
from torch import distributed
from torch.distributed import distributed_c10d

import amd_mm.engine.processes
from amd_mm.engine.processes import limit_collectives, start_processes
from amd_mm.meeting import current, meeting


@pytest.fixture
def launched(monkeypatch):
    """A process as a launcher has started it, alone."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    for name, value in dict(RANK=0, LOCAL_RANK=0, WORLD_SIZE=1, MASTER_ADDR='127.0.0.1',
                            MASTER_PORT=port, OMP_NUM_THREADS=1, MKL_NUM_THREADS=1).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(meeting, '_current', [])
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


def limit() -> timedelta:
    group = distributed_c10d._get_default_group()
    return group._get_backend(torch.device('cpu')).options._timeout


def test_processes_meet_and_get_limits(launched, monkeypatch):
    compared = []
    monkeypatch.setattr(
        amd_mm.engine.processes, 'require_same', lambda *args: compared.append(args))
    cfg = Config(dict(launcher='pytorch', env_cfg=dict(
        meeting_timeout=33, first_batch_timeout=44, dist_cfg=dict(backend='gloo', timeout=55))))
    start_processes(cfg)
    assert current().seconds == 33
    assert compared == [(cfg, current())]
    assert limit() == timedelta(seconds=44)
    limit_collectives(cfg)
    assert limit() == timedelta(seconds=55)
    start_processes(cfg)  # they are there
    assert len(compared) == 1


def test_limits_where_nothing_is_said(launched):
    cfg = Config(dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(backend='gloo'))))
    start_processes(cfg)
    assert current().seconds == 180
    assert limit() == timedelta(seconds=1800)
    limit_collectives(cfg)
    assert limit() == timedelta(seconds=600)


@pytest.mark.parametrize('cfg', [
    dict(launcher='none'), dict(),
    dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(init_method='file:///nowhere')))])
def test_what_is_left_to_mmengine(launched, cfg):
    start_processes(Config(cfg))
    limit_collectives(Config(cfg))
    assert current() is None
    assert not distributed.is_initialized()
