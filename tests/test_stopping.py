import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from amd_mm.stopping import STOPPED, Stopped, StopSignals

# A child loads data for its parent, which is told to stop; both get every signal.
PROGRAM = '''
import multiprocessing, os, signal, sys, time
from amd_mm.failures import command
from amd_mm.stopping import Stopped, stop_signals

def load(queue):
    time.sleep(1)
    queue.put('data')
    time.sleep(600)

import atexit
atexit.register(time.sleep, .3)

@command
def main():
    stop_signals.take()
    {prepare}
    queue = multiprocessing.get_context('fork').Queue()
    child = multiprocessing.get_context('fork').Process(target=load, args=(queue, ), daemon=True)
    child.start()
    time.sleep(.2)
    print(child.pid, flush=True)
    {work}

sys.exit(main())
'''


def start(work: str, prepare: str = 'stop_signals.wait_for_step()') -> tuple:
    """The program in a session of its own, and its child's process."""
    process = subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(PROGRAM).format(work=work, prepare=prepare)],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        # A shell's background job ignores it, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    return process, int(process.stdout.readline())


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            with open(f'/proc/{pid}/stat') as stat:
                if stat.read().rpartition(')')[2].split()[0] == 'Z':
                    return True
        except FileNotFoundError:
            return True
        time.sleep(.1)
    return False


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGINT', 'SIGHUP'])
def test_a_signal_to_all_is_heeded_when_the_data_is_there(name):
    process, child = start("print(queue.get()); raise Stopped(f'by {stop_signals.received.name}')")
    os.killpg(process.pid, signal.Signals[name])
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (STOPPED, 'data\n', f'by {name}\n')
    assert gone(child)


def test_a_second_signal_stops_at_once_even_in_a_library():
    # A lock of C, which does not return to Python for a signal's sake.
    process, child = start('import ctypes; ctypes.CDLL(None).sleep(600) and ctypes.CDLL(None)'
                           '.sleep(600); time.sleep(600)')
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGTERM)  # the same, from the launcher
    time.sleep(1.5)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert error == 'stopped at once by a second signal (SIGTERM)\n'
    assert gone(child)


def test_a_loader_that_ends_with_the_program_is_not_called_lost():
    """As torch's handler would, while what was registered before ours still runs."""
    process, child = start('pass', '''
    def lost(number, frame):
        raise RuntimeError('a loader was lost')
    signal.signal(signal.SIGCHLD, lost)''')
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out, error) == (0, '', '')
    assert gone(child)


def test_a_signal_before_the_first_step_stops_at_once():
    process, child = start('time.sleep(600)', prepare='')
    os.kill(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == STOPPED
    assert error == 'stopped by SIGTERM before the first step: there is nothing new to save\n'
    assert gone(child)


def test_signals_are_given_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    signals = StopSignals()
    signals.take()
    signals.take()
    assert signal.getsignal(signal.SIGTERM) != before[1]
    with pytest.raises(Stopped) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.code == STOPPED
    signals.give_back()
    signals.give_back()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_signals_are_taken_or_not():
    signals = StopSignals()
    assert not signals.are_taken
    signals.take()
    assert signals.are_taken
    signals.give_back()
    assert not signals.are_taken


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = StopSignals()
    try:
        signals.take()
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received is None
    finally:
        signals.give_back()
        signal.signal(signal.SIGHUP, before)
