"""torchrun, which hands every signal on to the processes of a training and waits for their end.

torchrun itself ends on SIGUSR1, kills its processes 30 seconds after SIGTERM, and has status 1
whatever they had. Here the status is 75 where a training was told to stop and can be resumed.
"""
import math
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import FrameType

from torch.distributed import DistError, run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousError

from amd_mm.meeting import CHECK, MEETING_TIMEOUT, Meeting, Place, Unmet
from amd_mm.stopping import STOP_SIGNALS, STOPPED, STOPPED_FILE

# Torch's names of seconds to meet in; the last call is for machines beyond the least number.
LIMITS = dict(timeout=math.inf, join_timeout=math.inf, read_timeout=math.inf, last_call_timeout=30)
CAUSES = dict(
    SIGKILL=', as happens when memory runs out: see dmesg, lower num_workers or batch_size',
    SIGABRT=', as NCCL does when others did not answer for env_cfg.dist_cfg.timeout seconds: see '
    'what the others say')


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
        said = failure.error_file_data['message']
        # A dict where the process has written a file, which begins with a type.
        why = (f': {said["message"].partition(": ")[2]}' if isinstance(said, dict)
               else '; its error is above')
        return f'rank {rank} ended with status {failure.exitcode}{why}'
    name = signal.Signals(-failure.exitcode).name
    return f'rank {rank} was ended by {name}{CAUSES.get(name, "")}'


def meet(arguments: list[str], seconds: float) -> list[str]:
    """Let the machines of a run meet, and give torchrun's own meeting the same limit.

    torchrun says how many machines have come at most, and not which. The first machine keeps the
    port open, which torchrun then uses.
    """
    args = run.parse_args(arguments)
    if args.standalone:
        return arguments
    limits = ','.join(f'{name}={min(seconds, most):.0f}' for name, most in LIMITS.items())
    if args.rdzv_backend == 'static' and args.rdzv_conf == '':
        place = Place(args.master_addr, args.master_port, args.node_rank,
                      int(args.nnodes.partition(':')[0]), noun='node', serves=args.node_rank == 0)
        meetings.append(Meeting(place, seconds))
    return [f'--rdzv-conf={limits}', *arguments]


meetings: list[Meeting] = []


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
        # Workers of a later start would else meet at a store that holds what the earlier ones said.
        os.environ['TORCH_DISABLE_SHARE_RDZV_TCP_STORE'] = '1'
        seconds = float(os.environ.get('MEETING_SECONDS', MEETING_TIMEOUT))
        try:
            run.main(chosen + meet(sys.argv[1:], seconds))
        except ChildFailedError as error:
            first, _ = error.get_first_failure()
            ranks = sorted(error.failures, key=lambda rank: rank != first)
            failed = '; '.join(describe(rank, error.failures[rank]) for rank in ranks)
            print(f'error on {socket.gethostname()}: {failed}', file=sys.stderr)
            return 1
        except (Unmet, ValueError) as error:
            print(f'error: {error}', file=sys.stderr)
            return 1 if isinstance(error, Unmet) else 2
        except (RendezvousError, DistError) as error:
            print(f'error on {socket.gethostname()}: the machines of a run must meet within '
                  f'{seconds:g} s, but {str(error).partition(chr(10))[0]}; see whether all were '
                  f'started and none has failed, and {CHECK}', file=sys.stderr)
            return 1
        return STOPPED if stopped.exists() else 0


if __name__ == '__main__':
    sys.exit(main())
