"""Where processes meet, and how to ask there without waiting for ever."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

T = TypeVar('T')


class Place(NamedTuple):
    """Where a run meets, and as whom.

    Args:
        host: Address of the first one's machine.
        port: There.
        rank: Of this one, from 0.
        size: How many there are.
        noun: What meets, ``'rank'`` or ``'node'``.
        serves: Whether this process opens the port.
        run: Which run it is, as far as its launcher knows.
        round: Set apart what meets again at a port that stayed open.
    """
    host: str
    port: int
    rank: int
    size: int
    noun: str = 'rank'
    serves: bool = False
    run: str = ''
    round: str = ''

    def __str__(self) -> str:
        return f'{self.host}:{self.port}'

    @classmethod
    def of_process(cls) -> Place:
        """That of a process by the environment that torchrun, or MMEngine for Slurm, has set."""
        env = os.environ
        rank = int(env['RANK'])
        return cls(
            env['MASTER_ADDR'], int(env['MASTER_PORT']), rank, int(env['WORLD_SIZE']),
            serves=rank == 0 and env.get('TORCHELASTIC_USE_AGENT_STORE') != 'True',
            run=env.get('SLURM_JOB_ID') or env.get('TORCHELASTIC_RUN_ID', ''),
            round=env.get('TORCHELASTIC_RESTART_COUNT', '0'))


def within(seconds: float, question: Callable[[], T]) -> T:
    """The answer of a function that may never return, as torch's store does on a dead connection.

    Raises:
        TimeoutError: If it takes longer; it is then left to itself.
    """
    answers: list[T] = []
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            answers.append(question())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f'no answer in {seconds:.0f} s')
    return answers[0]


def client(place: Place, seconds: float) -> Any:
    """A connection of its own to the store at a place."""
    from torch.distributed import TCPStore
    return TCPStore(place.host, place.port, None, False, timedelta(seconds=seconds),
                    wait_for_workers=False)


def reason_of(error: BaseException | None) -> str:
    """The first line of an error, without the address that torch and the system add."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition('\n')[0][:200] or type(error).__name__
