"""Batches of a dataloader whose workers may crash or hang."""
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from typing import Any

from mmengine.logging import print_log
from torch.utils.data import DataLoader
from torch.utils.data._utils import signal_handling

from amd_mm.datasets.watched import WatchedDataset

# How a decoder ends its process. SIGKILL is lack of memory, or somebody's will, as others are.
_CRASHES = tuple(-number for number in (
    signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL))

# Seconds from one look at the workers to the next, as torch's without a limit.
_LOOK = 5.
# Seconds that a worker may take to end after others have noticed; it may write a core file.
_PATIENCE = 30.


def batches_of(dataloader: DataLoader, go_on_after: Callable[[int], None]) -> Iterator[Any]:
    """Go through a dataloader once; samples that crash their worker are bad ones.

    The workers are started anew where they were: the batches are those of a run in which the
    sample could not be read, in the same order.

    Args:
        dataloader: Its data set has to be a :class:`WatchedDataset`, or a crash is an error as
            ever.
        go_on_after: Lets the next iteration over the dataloader leave out so many batches of this
            one.

    Raises:
        RuntimeError: For a worker that was lost in another way, or that was reading nothing; if no
            batch comes within the dataloader's ``timeout``.
    """
    while True:
        done = 0
        batches: Any = _start(dataloader)
        try:
            for batch in _in_time(batches, dataloader.timeout):
                yield batch
                done += 1
        # Batches that the lost one has made have to be fetched from it, so that there may be
        # nobody to connect to.
        except (RuntimeError, OSError, EOFError) as error:
            # What a worker lives to tell is in torch's words.
            if 'in DataLoader worker process' in str(error):
                raise
            if _is_late(error):
                raise RuntimeError(_late(dataloader, batches)) from error
            lost = _lost(batches)
            if not lost:
                raise
            if not _blame(dataloader, lost):
                ends = ', '.join(f'{number} ({_how(exit_code)})' for number, exit_code in lost)
                raise RuntimeError(
                    f'workers of the dataloader must live as long as it does, but lost are {ends}; '
                    'SIGKILL mostly is lack of memory: lower num_workers, prefetch_factor or '
                    'batch_size of the dataloader') from error
        else:
            return
        batches._shutdown_workers()
        dataloader._iterator = None  # which persistent workers are asked by
        go_on_after(done)


def _in_time(batches: Any, limit: float) -> Iterator[dict]:
    """The batches, each within so many seconds; 0: without a limit.

    torch looks after its workers where a wait of its own ends, so that a long one would hide one
    that is lost.
    """
    batches._timeout = min(limit, _LOOK)
    waited = 0.
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            waited += batches._timeout
            if not _is_late(error) or waited >= limit:
                raise
            continue
        waited = 0.
        yield batch


def _is_late(error: Exception) -> bool:
    return str(error).startswith('DataLoader timed out')


def _start(dataloader: DataLoader) -> Any:
    """The dataloader's iterator, with workers started.

    torch raises an error wherever the process is, in the middle of an update, when a worker ends.
    Without its handler of the signal the error comes where data are waited for.
    """
    handler = signal.getsignal(signal.SIGCHLD)
    batches = iter(dataloader)
    if threading.current_thread() is threading.main_thread():
        torchs = getattr(handler, '__module__', None) == signal_handling.__name__
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if torchs else handler)
    return batches


def _late(dataloader: DataLoader, batches: Any) -> str:
    """What is waited for; its worker, which may never end by itself, is killed."""
    number = batches._task_info[batches._rcvd_idx][0]
    dataset = dataloader.dataset
    path = dataset.read_by(number) if isinstance(dataset, WatchedDataset) else None
    batches._workers[number].kill()
    return (
        f'a batch must come within {dataloader.timeout:g} s, but worker {number} of the dataloader '
        f'is still at {"a sample" if path is None else path}: see whether the storage answers; if '
        'it is slow, raise timeout of the dataloader, or wait_limit of EpochTrainLoop; time_limit '
        'of KeyedDataset makes a bad sample of what never comes')


def _lost(batches: Any) -> list[tuple[int, int]]:
    """Numbers and exit codes of workers that have ended otherwise than they should."""
    workers = getattr(batches, '_workers', ())
    # The error may come before the end, and a process closes its files before it has ended.
    ended = wait([process.sentinel for process in workers], timeout=_PATIENCE)
    for process in workers:
        if process.sentinel in ended:
            process.join(_PATIENCE)
    return [(number, process.exitcode) for number, process in enumerate(workers)
            if process.exitcode]


def _blame(dataloader: DataLoader, lost: list[tuple[int, int]]) -> bool:
    """Whether all have crashed, and what one was reading is counted as bad."""
    dataset = dataloader.dataset
    if not isinstance(dataset, WatchedDataset) or any(code not in _CRASHES for _, code in lost):
        return False
    paths = [(dataset.blame(*one), _how(one[1])) for one in lost]
    for path, how in paths:
        if path is not None:
            print_log(f'A worker of the dataloader crashed ({how}) while it read {path}: a bad '
                      'sample. The workers are started anew.', 'current', logging.WARNING)
    return any(path is not None for path, _ in paths)


def _how(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f'status {exit_code}'
