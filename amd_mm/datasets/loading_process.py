"""Calls that may hang or crash, made in a process that can be lost."""
import io
import os
import pickle
import signal
import traceback
from collections.abc import Callable
from mmap import mmap
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Seconds a process is given, beyond the limit, to be ended by its own alarm.
_GRACE = 5.
# Bytes that both processes see, of which only those that are used take memory. What does not
# fit takes the slow way, through the pipe.
_SHARED = 1 << 28


class ProcessLost(Exception):
    """The process of a call was ended by the call, or ran out of time.

    Args:
        exit_code: As of ``multiprocessing.Process``: a signal's number, negative, or a status.
        time_limit: Seconds that the call had.
    """

    def __init__(self, exit_code: int, time_limit: float) -> None:
        super().__init__(exit_code, time_limit)
        self.exit_code = exit_code
        self.time_limit = time_limit

    def __str__(self) -> str:
        if self.exit_code == -signal.SIGALRM:
            return f'no end within the time_limit of {self.time_limit:g} s'
        if self.exit_code < 0:
            return f'crashed its process ({signal.Signals(-self.exit_code).name})'
        return f'ended its process (status {self.exit_code})'


class LoadingProcess:
    """A function that runs in a child process, which it may hang or crash.

    The child is forked at the first call, and anew after it was lost; every process that
    calls (the workers of a DataLoader) has a child of its own. An alarm of the kernel ends a
    call that takes too long, wherever it hangs.

    Args:
        function: What to call. What it changes in the programme's state stays in the child.
        time_limit: Seconds a call may take, above 0.
    """

    def __init__(self, function: Callable, time_limit: float) -> None:
        self.function = function
        self.time_limit = time_limit
        self._caller: int | None = None
        # Of the present child, see _start.
        self._child: Any = None
        self._pipe: Any = None
        self._shared: Any = None

    def __getstate__(self) -> dict:
        """A copy starts a child of its own."""
        return dict(self.__dict__, _caller=None, _child=None, _pipe=None, _shared=None)

    def __call__(self, *args: Any) -> Any:
        """What the function returns; what it raises is raised here.

        Raises:
            ProcessLost: If the call took longer than ``time_limit`` or ended its process.
            MemoryError: If the process was killed by SIGKILL, which is what the kernel does to
                a process when memory runs out, whatever it was at.
        """
        # One that was lost between two calls is no fault of this one.
        if self._caller != os.getpid() or not self._child.is_alive():
            self._start()
        try:
            self._pipe.send(args)
            if not self._pipe.poll(self.time_limit + _GRACE):
                raise self._lost()
            result, error, trace = _receive(self._pipe, self._shared)
        except (EOFError, ConnectionError):
            raise self._lost() from None
        if error is not None:
            raise error from RuntimeError(f'in the loading process:\n{trace}')
        return result

    def _start(self) -> None:
        context = get_context('fork')
        self._pipe, theirs = context.Pipe()
        self._shared = mmap(-1, _SHARED)
        # Workers of a DataLoader are daemons, which may have no children, since nobody ends
        # these if the daemon cannot. Ours ends by itself, when its pipe closes.
        caller = current_process()
        daemon, caller.daemon = caller.daemon, False
        try:
            self._child = context.Process(
                target=_serve,
                args=(self.function, self.time_limit, theirs, self._pipe, self._shared),
                daemon=True)
            self._child.start()
        finally:
            caller.daemon = daemon
        theirs.close()
        self._caller = os.getpid()

    def _lost(self) -> Exception:
        self._pipe.close()
        self._caller = None
        self._child.join(_GRACE)
        exit_code = self._child.exitcode
        if exit_code is None:
            # Asleep in the kernel, where no signal wakes it: leave it behind.
            self._child.kill()
            exit_code = -signal.SIGALRM
        if exit_code == -signal.SIGKILL:
            return MemoryError(
                'a process that loads samples was killed (SIGKILL), as happens when memory runs '
                'out; lower num_workers, prefetch_factor or batch_size of the dataloader')
        return ProcessLost(exit_code, self.time_limit)


def _serve(function: Callable, time_limit: float, pipe: Connection, callers_end: Connection,
           shared: mmap) -> None:
    """The child: answers calls until its caller is gone."""
    callers_end.close()
    # Only the caller minds an interrupt from the keyboard.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Its default action ends the process without a word from Python, which may hang in C.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # As in any worker of a DataLoader; a pool of threads does not survive a fork.
    torch.set_num_threads(1)
    while True:
        try:
            args = pipe.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, time_limit)
        answer: tuple[Any, Exception | None, str | None]
        try:
            answer = function(*args), None, None
        except Exception as error:
            answer = None, _portable(error), traceback.format_exc()
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(pipe, shared, answer)


def _portable(error: Exception) -> Exception:
    """The error, or one with its text if it cannot travel; some decoders' own cannot."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f'{type(error).__name__}: {error}')
    return error


class _Pickler(pickle.Pickler):
    """Leaves the data of tensors out of the pickle, as it does with arrays, in their order."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor:
            return NotImplemented
        data = torch.empty(0, dtype=torch.uint8).set_(value.untyped_storage()).numpy()
        return _tensor, (data, value.dtype, value.storage_offset(), value.shape, value.stride())


def _tensor(data: np.ndarray, dtype: torch.dtype, *place: Any) -> Tensor:
    return torch.empty(0, dtype=dtype).set_(torch.from_numpy(data).untyped_storage(), *place)


def _pickled(answer: Any, buffer_callback: Callable | None) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, protocol=5, buffer_callback=buffer_callback).dump(answer)
    return stream.getvalue()


def _send(pipe: Connection, shared: mmap, answer: Any) -> None:
    left_out: list[pickle.PickleBuffer] = []
    pickled = _pickled(answer, left_out.append)
    buffers = [buffer.raw() for buffer in left_out]
    if sum(buffer.nbytes for buffer in buffers) > len(shared):
        pickled, buffers = _pickled(answer, None), []
    shared.seek(0)
    for buffer in buffers:
        shared.write(buffer)
    pipe.send((pickled, [buffer.nbytes for buffer in buffers]))


def _receive(pipe: Connection, shared: mmap) -> Any:
    pickled, sizes = pipe.recv()
    buffers, start = [], 0
    with memoryview(shared) as view:
        for size in sizes:
            buffers.append(bytearray(view[start:start + size]))
            start += size
    return pickle.loads(pickled, buffers=buffers)
