"""torchrun, which hands every signal on to the processes of a training and waits for their end.

torchrun itself ends on SIGUSR1, kills its processes 30 seconds after SIGTERM, and has status 1
whatever they had. Here the status is 75 where a training was told to stop and can be resumed.
"""
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import FrameType

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from amd_mm.stopping import STOP_SIGNALS, STOPPED, STOPPED_FILE


def hand_on(number: int, frame: FrameType | None) -> None:
    """Send a signal to the processes that torchrun has started."""
    children = [int(child) for thread in Path('/proc/self/task').iterdir()
                for child in (thread / 'children').read_text().split()]
    if not children:
        sys.exit(STOPPED)
    for child in children:
        os.kill(child, number)


def describe(rank: int, failure: ProcessFailure) -> str:
    """How a process has ended, and what that often means."""
    if failure.exitcode >= 0:
        return f'rank {rank} ended with status {failure.exitcode}; its error is above'
    name = signal.Signals(-failure.exitcode).name
    cause = ', as happens when memory runs out: see dmesg, lower num_workers or batch_size' if (
        name == 'SIGKILL') else ''
    return f'rank {rank} was ended by {name}{cause}'


def main() -> int:
    with tempfile.TemporaryDirectory(prefix='amd-mm-') as folder:
        stopped = Path(folder, 'stopped')
        os.environ[STOPPED_FILE] = str(stopped)
        # Handlers of its own that torchrun sets; older ones have no choice of them.
        flag = '--signals-to-handle'
        chosen = [f'{flag}=SIGQUIT'] if flag in run.get_args_parser().format_help() else []
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, hand_on)
        try:
            run.main(chosen + sys.argv[1:])
        except ChildFailedError as error:
            failed = '; '.join(describe(rank, failure) for rank, failure in error.failures.items())
            print(f'error on {socket.gethostname()}: {failed}', file=sys.stderr)
            return 1
        return STOPPED if stopped.exists() else 0


if __name__ == '__main__':
    sys.exit(main())
