"""How a run is told to stop: signals are noted when they come and heeded when a step has ended."""
from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.util  # its end of children is registered before ours, which then comes first
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = ['STOPPED', 'STOPPED_FILE', 'STOP_SIGNALS', 'StopSignals', 'Stopped', 'stop_signals']

# Of a run that can go on from where it is: EX_TEMPFAIL, which schedulers may start again on.
STOPPED = 75
# Slurm's --signal, Kubernetes, the notice of a spot machine, Ctrl-C, a terminal that is closed.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT, signal.SIGHUP)
# The variable with a file that a launcher looks at: torchrun starts again what does not end with 0.
STOPPED_FILE = 'AMD_MM_STOPPED_FILE'
# A launcher and a terminal may both send what was meant once, in seconds.
_SAME = 1.


class Stopped(SystemExit):
    """Ends a process whose run was told to stop, with status 75.

    Args:
        message: What was kept, and how to go on.
    """

    def __init__(self, message: str) -> None:
        super().__init__(STOPPED)
        self.message = message

    def __str__(self) -> str:
        return self.message

    def status(self) -> int:
        """75, or 0 where a launcher learns it by a file."""
        if STOPPED_FILE not in os.environ:
            return STOPPED
        Path(os.environ[STOPPED_FILE]).touch()
        return 0


class StopSignals:
    """Signals that ask this process to stop.

    Between steps of a training (:meth:`wait_for_step`) the first one is noted alone; before, it
    ends the process by :class:`Stopped`. A second one, a second later or more, ends the process
    and those that load its data at once, even if it hangs in a library. Processes that are forked
    do not see the signals: a scheduler sends them to all of a job's processes, and the data of the
    step under way is still needed.

    A signal that is ignored, as by ``nohup``, stays so.

    Attributes:
        received: The first signal, None as long as there was none.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._earlier: dict[signal.Signals, Any] = {}
        self._waits = False
        os.register_at_fork(after_in_child=self._leave_to_parent)

    @property
    def are_taken(self) -> bool:
        """Whether signals come here."""
        return bool(self._earlier)

    def take(self) -> None:
        """Take the signals from now on; nothing where they are taken, or in another thread."""
        if self._earlier or threading.current_thread() is not threading.main_thread():
            return
        self.received, self._waits = None, False
        for number in STOP_SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._earlier[number] = signal.signal(number, self._note)
        atexit.register(_end_loaders)
        # Python calls its handlers when a library returns; this pipe is written to at once.
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._earlier_pipe = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        threading.Thread(target=_end_on_second, args=(self._read, ), daemon=True).start()

    def wait_for_step(self) -> None:
        """From now on a step's end is waited for."""
        self._waits = True

    def give_back(self) -> None:
        """Let the signals do again what they did before."""
        if not self._earlier:
            return
        signal.set_wakeup_fd(self._earlier_pipe)
        os.close(self._write)
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        self._earlier, self._waits = {}, False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = signal.Signals(number)
            if not self._waits:
                raise Stopped(f'stopped by {self.received.name} before the first step: there is '
                              'nothing new to save')

    def _leave_to_parent(self) -> None:
        """In a forked process."""
        if not self._earlier:
            return
        signal.set_wakeup_fd(-1)
        # Blocked: torch's dataloaders set a handler of SIGTERM, which would end them.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._earlier)
        os.close(self._write)
        self._earlier = {}


def _end_loaders() -> None:
    """At the end of Python: torch takes a loader that is killed for one that was lost."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _kill_loaders()


def _kill_loaders() -> None:
    """End the processes that load data, which do not see the SIGTERM of multiprocessing."""
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def _end_on_second(pipe: int) -> None:
    """Read the numbers of signals until the pipe is closed."""
    first = None
    while number := os.read(pipe, 1):
        if number[0] not in STOP_SIGNALS:
            continue
        now = time.monotonic()
        if first is None:
            first = now
        elif now - first >= _SAME:
            name = signal.Signals(number[0]).name
            os.write(2, f'stopped at once by a second signal ({name})\n'.encode())
            _kill_loaders()
            os._exit(128 + number[0])
    os.close(pipe)


stop_signals = StopSignals()
