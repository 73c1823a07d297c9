import threading

import pytest

from amd_mm.meeting.place import Place, reason_of, within


def test_an_answer_that_never_comes():
    never = threading.Event()
    with pytest.raises(TimeoutError, match='no answer in 0 s'):
        within(.01, never.wait)
    never.set()
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within(5, lambda: {}['a'])


def test_the_place_of_a_process_is_its_launchers(monkeypatch):
    for name, value in dict(MASTER_ADDR='node0', MASTER_PORT='29500', RANK='0', WORLD_SIZE='8',
                            TORCHELASTIC_RUN_ID='a', TORCHELASTIC_RESTART_COUNT='2').items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('SLURM_JOB_ID', raising=False)
    monkeypatch.delenv('TORCHELASTIC_USE_AGENT_STORE', raising=False)
    assert Place.of_process() == Place('node0', 29500, 0, 8, 'rank', True, 'a', '2')
    # torchrun has opened the port.
    monkeypatch.setenv('TORCHELASTIC_USE_AGENT_STORE', 'True')
    monkeypatch.setenv('SLURM_JOB_ID', '17')
    assert Place.of_process() == Place('node0', 29500, 0, 8, 'rank', False, '17', '2')


def test_the_reason_is_one_line():
    assert reason_of(ConnectionRefusedError(111, 'Connection refused')) == 'Connection refused'
    assert reason_of(RuntimeError('timed out\nraised from recv')) == 'timed out'
    assert reason_of(TimeoutError()) == 'TimeoutError'
