import copy
import ctypes
import os
import signal
import time

import numpy as np
import pytest
import torch
from torch import multiprocessing

from amd_mm.datasets import loading_process
from amd_mm.datasets.loading_process import LoadingProcess, ProcessLost

LIMIT = 60.  # far off, also on a busy machine
ALARMS = []


class Decoder(Exception):
    """Cannot be unpickled, as some decoders' exceptions."""

    def __init__(self, code, message):
        super().__init__(message)


def hang():
    # Holds the interpreter's lock, as a decoder does that never comes back from C.
    ctypes.PyDLL(None).sleep(600)


def crash(number):
    # torch tells of a crash on standard error, which is no matter here.
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def fail(error):
    raise error


def fail_with_decoder():
    raise Decoder(3, 'no picture')


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def alarms():
    return list(ALARMS)


def call(function, *args):
    """What a process is asked here: as many things as a decoder may do."""
    return function(*args)


@pytest.fixture
def process():
    return LoadingProcess(call, LIMIT)


def test_returns_and_raises_as_the_function(process):
    assert process(sum, (1, 2)) == 3
    with pytest.raises(KeyError, match='imgs') as raised:
        process(fail, KeyError('imgs'))
    assert 'test_loading_process.py' in str(raised.value.__cause__)
    with pytest.raises(RuntimeError, match='Decoder: no picture'):
        process(fail_with_decoder)
    first = process(os.getpid)
    assert first != os.getpid() and process(os.getpid) == first


def turned():
    return torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)[1:]


@pytest.mark.parametrize('room', [1 << 28, 40])
def test_data_come_back_as_they_are(process, monkeypatch, room):
    monkeypatch.setattr(loading_process, '_SHARED', room)
    values = dict(
        array=np.arange(6.).reshape(2, 3).T, turned=turned(), half=torch.ones(3).bfloat16(),
        none=torch.zeros(0, 2), text='x')
    found = process(copy.copy, values)
    assert found.keys() == values.keys() and found['text'] == 'x'
    assert np.array_equal(found['array'], values['array'])
    for name in ('turned', 'half', 'none'):
        torch.testing.assert_close(found[name], values[name], rtol=0, atol=0)
    assert process(turned).stride() == turned().stride()
    # Neither the next answer nor the end of its maker changes them; and they can be changed.
    process(torch.full, (100, ), 7)
    with pytest.raises(ProcessLost):
        process(os._exit, 3)
    assert torch.equal(found['turned'].mul_(2), 2 * turned())


@pytest.mark.parametrize('what, message', [
    ((crash, signal.SIGSEGV), 'crashed its process .SIGSEGV.'),
    ((os._exit, 3), 'ended its process .status 3.')])
def test_loses_a_process_and_goes_on(process, what, message):
    first = process(os.getpid)
    with pytest.raises(ProcessLost, match=message):
        process(*what)
    assert process(os.getpid) != first
    assert process(sum, (1, 2)) == 3


def test_a_call_that_never_ends_is_lost():
    process = LoadingProcess(call, .3)
    with pytest.raises(ProcessLost, match=r'no end within the time_limit of 0\.3 s'):
        process(hang)
    process.time_limit = LIMIT
    assert process(sum, (1, 2)) == 3


def test_a_call_has_the_whole_limit_however_many_came_before(process, monkeypatch):
    # The child inherits it, and the list.
    monkeypatch.setattr(signal, 'setitimer', lambda *alarm: ALARMS.append(alarm))
    on, off = (signal.ITIMER_REAL, LIMIT), (signal.ITIMER_REAL, 0)
    assert process(alarms) == [on]
    assert process(alarms) == [on, off, on]


def test_lack_of_memory_is_nobodys_fault(process):
    with pytest.raises(MemoryError, match='SIGKILL.*lower num_workers'):
        process(kill)
    assert process(sum, (1, 2)) == 3


def test_lost_between_two_calls_is_not_blamed_on_the_next(process):
    os.kill(process(os.getpid), signal.SIGTERM)
    process._child.join()
    assert process(sum, (1, 2)) == 3


def _tell(process, queue):
    queue.put((os.getpid(), process(os.getpid), process(os.getppid)))
    signal.pause()


def test_every_caller_has_a_child_that_ends_with_it(process):
    mine = process(os.getpid)
    context = multiprocessing.get_context('fork')
    queue = context.SimpleQueue()
    # A daemon, as a worker of a DataLoader.
    worker = context.Process(target=_tell, args=(process, queue), daemon=True)
    worker.start()
    caller, child, parent = queue.get()
    assert caller == parent == worker.pid and child not in (mine, caller)
    assert process(os.getpid) == mine
    worker.kill()
    worker.join()
    deadline = time.monotonic() + 10
    while _running(child) and time.monotonic() < deadline:
        time.sleep(.01)
    assert not _running(child)


def _running(pid):
    """Whether the process is there and no zombie (whom an init process has yet to bury)."""
    try:
        with open(f'/proc/{pid}/stat') as stream:
            return stream.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_a_copy_has_a_child_of_its_own(process):
    mine = process(os.getpid)
    assert copy.deepcopy(process)(os.getpid) != mine
