"""Where the processes of a run meet: they know each other by name, and say who is missing."""
from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from amd_mm.meeting.place import Place, T, client, reason_of, within

# Seconds that processes and machines wait for each other at the start, where nothing else is said.
MEETING_TIMEOUT = 180.
# From one look at the store to the next, and until what is waited for is said.
_LOOK, _PATIENCE = .2, 15.
# For an answer of a machine, and for the others to say what they have seen after a failure.
_ANSWER, _REPORTS = 3., 10.
CHECK = ('check the address and port (MASTER_ADDR, MASTER_PORT), firewalls, and the interface '
          '(NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME)')


class Unmet(RuntimeError):
    """Processes that have to work together do not.

    Args:
        message: Who is missing, what was waited for and what to check.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class Meeting:
    """A meeting at a ``TCPStore``, which stays open for as long as the run lasts.

    Args:
        place: Where, and as whom.
        seconds: To wait for the others.

    Attributes:
        store: For keys of this run alone.
        names: Of those that meet, by rank: ``'rank 1 on HOST (process 123)'``.

    Raises:
        Unmet: In each of them, if one does not come in time.
        ValueError: If the port is another program's, or another run's.
    """

    def __init__(self, place: Place, seconds: float = MEETING_TIMEOUT) -> None:
        from torch.distributed import PrefixStore
        self.place = place
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._said = False
        self._here = f'{place.noun} {place.rank} on {socket.gethostname()}'
        self.names: list[str] = []
        opened = self._open()
        self.store = PrefixStore(f'amd_mm/{place.noun}/{place.round}', opened)
        self._arrive()
        self._wait_for_all()

    def share(self, key: str, text: str) -> list[str]:
        """Tell the others a text, and hear theirs, by rank.

        Raises:
            Unmet: If one says nothing within the meeting's time.
        """
        self._deadline = time.monotonic() + self.seconds
        self._ask(lambda: self.store.set(f'{key}/{self.place.rank}', text))
        return self._read_all(key, 'said what it runs')

    def report(self, message: str) -> None:
        """Tell the others, if they can be reached, why this process ends."""
        with contextlib.suppress(Exception):
            within(_ANSWER, lambda: self.store.set(f'failed/{self.place.rank}', message[:1000]))

    def find_missing(self) -> str:
        """After others did not answer: who is missing, as far as can be seen from here.

        The others, which wait for the missing ones too, are heard for some seconds.
        """
        place = self.place
        try:
            socket.create_connection((place.host, place.port), _ANSWER).close()
        except OSError as error:
            return (f'{self.names[0]} does not answer at {place} any more ({reason_of(error)}): it '
                    'has ended, or this machine is cut off from it')
        try:
            return within(2 * _REPORTS, self._hear_others)
        except Exception as error:
            return f'what the others have seen cannot be read at {place} ({reason_of(error)})'

    def _hear_others(self) -> str:
        from torch.distributed import PrefixStore
        # That of the meeting may wait for a connection that is dead.
        store = PrefixStore(f'amd_mm/{self.place.noun}/{self.place.round}',
                            client(self.place, _ANSWER))
        store.compare_set(f'failed/{self.place.rank}', '', 'waits')
        others = [rank for rank in range(self.place.size) if rank != self.place.rank]
        end = time.monotonic() + _REPORTS
        while True:
            silent = [rank for rank in others if not store.check([f'failed/{rank}'])]
            if not silent or time.monotonic() > end:
                break
            time.sleep(_LOOK)
        said = {rank: store.get(f'failed/{rank}').decode() for rank in others
                if rank not in silent}
        found = [f'{self.names[rank]} failed: {text}' for rank, text in said.items()
                 if text != 'waits']
        if silent:
            found.append(f'missing: {", ".join(self.names[rank] for rank in silent)} (killed, for '
                         'instance for lack of memory, hung, or its machine is cut off)')
        return '; '.join(found) or 'all are there, but what they send each other does not arrive'

    def _open(self) -> Any:
        """The store at the place: this process's own, or that of the first one."""
        from torch.distributed import TCPStore
        place = self.place
        if place.serves:
            try:
                return self._ask(lambda: TCPStore(
                    place.host, place.port, None, True, timedelta(seconds=self.seconds),
                    wait_for_workers=False, multi_tenant=True), self.seconds)
            except RuntimeError as error:
                if 'EADDRINUSE' in str(error):
                    raise ValueError(
                        f'the port {place.port} of {socket.gethostname()} must be free for this '
                        'run to meet at, but another program has it, maybe another run; give this '
                        'one another by PORT, or by MASTER_PORT with Slurm (`ss -ltnp` shows '
                        'whose it is)') from error
                raise self._unmet(f'cannot reach itself at {place} ({reason_of(error)}), as others '
                                  'would', 'MASTER_ADDR must be an address of that '
                                  f'machine; {CHECK}') from error
        reason: OSError | None = None
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                socket.create_connection((place.host, place.port), min(left, _ANSWER)).close()
            except OSError as error:
                reason = error
            else:
                try:
                    return self._ask(lambda: client(place, self.seconds))
                except (RuntimeError, TimeoutError) as error:
                    raise self._unmet(
                        f'found something at {place} that is not its run ({reason_of(error)})',
                        'another program has that port, or an older run is ending there; give '
                        'this run another by PORT, or by MASTER_PORT with Slurm') from error
            self._say(f'{place.noun} 0 at {place} ({reason_of(reason)})')
            time.sleep(min(_LOOK, left))
        raise self._unmet(
            f'waited for {place.noun} 0 at {place}, where nobody answers ({reason_of(reason)})',
            f'see whether {place.noun} 0 was started, and {CHECK}')

    def _arrive(self) -> None:
        """Say who is here; another one in this place is of another run."""
        me = json.dumps(dict(host=socket.gethostname(), pid=os.getpid(), run=self.place.run))
        key = f'here/{self.place.rank}'
        there = self._ask(lambda: self.store.compare_set(key, '', me)).decode()
        if there != me:
            other = json.loads(there)
            raise ValueError(
                f'each {self.place.noun} of a run must be there once, but {self.place.noun} '
                f'{self.place.rank} at {self.place} is already process {other["pid"]} on '
                f'{other["host"]}, and now process {os.getpid()} on {socket.gethostname()}: two '
                'runs meet at one port, or a machine has the number of another; give each run a '
                'port of its own (PORT, or MASTER_PORT with Slurm), each machine its NODE_RANK')

    def _wait_for_all(self) -> None:
        peers = [json.loads(peer) for peer in self._read_all('here', 'come')]
        self.names = [f'{self.place.noun} {rank} on {peer["host"]} (process {peer["pid"]})'
                      for rank, peer in enumerate(peers)]
        first = peers[0]
        others = [rank for rank, peer in enumerate(peers) if peer['run'] != first['run']]
        if others:
            raise ValueError(
                f'all that meet at {self.place} must be of one run, but {self.names[others[0]]} '
                f'is of run {peers[others[0]]["run"]!r}, {self.names[0]} of {first["run"]!r}; give '
                'each run a port of its own (PORT, or MASTER_PORT with Slurm)')

    def _read_all(self, key: str, what: str) -> list[str]:
        """What all have put under a key; who holds it for all waits until all have read it."""
        keys = [f'{key}/{rank}' for rank in range(self.place.size)]
        self._wait_for(keys, what)
        found = [value.decode() for value in self._ask(lambda: self.store.multi_get(keys))]
        read = [f'read/{name}' for name in keys]
        self._ask(lambda: self.store.set(read[self.place.rank], ''))
        end = time.monotonic() + _REPORTS
        while self.place.serves and not self._ask(lambda: self.store.check(read)) and (
                time.monotonic() < end):
            time.sleep(_LOOK / 10)
        return found

    def _wait_for(self, keys: Sequence[str], what: str) -> None:
        """Until all keys are there.

        Raises:
            Unmet: If some are not in time. Who notices first tells the others.
        """
        place, missing = self.place, list(range(len(keys)))
        while True:
            try:
                missing, is_over = self._ask(partial(self._look, keys, missing))
            except (RuntimeError, TimeoutError) as error:
                raise self._unmet(
                    f'has lost {place.noun} 0 at {place} ({reason_of(error)}) while it waited for '
                    f'{_names(place.noun, missing)}', CHECK) from error
            if not missing:
                return
            if is_over or time.monotonic() > self._deadline:
                break
            self._say(_names(place.noun, missing))
            time.sleep(_LOOK)
        with contextlib.suppress(Exception):
            self._ask(lambda: self.store.set('over', json.dumps(missing)))
        if place.serves:
            time.sleep(5 * _LOOK)  # for those who still look
        raise self._unmet(
            f'waited in vain at {place}: {_names(place.noun, missing)} '
            f'{"has" if len(missing) == 1 else "have"} not {what}',
            f'see whether all were started and none has failed, and {CHECK}')

    def _look(self, keys: Sequence[str], missing: Sequence[int]) -> tuple[list[int], bool]:
        """Who is still missing, and whether another one has waited long enough."""
        missing = [rank for rank in missing if not self.store.check([keys[rank]])]
        if not missing or not self.store.check(['over']):
            return missing, False
        return json.loads(self.store.get('over')), True

    def _unmet(self, what: str, remedy: str) -> Unmet:
        return Unmet(f'all {self.place.size} {self.place.noun}s of a run must meet within '
                     f'{self.seconds:g} s, but {self._here} {what}; {remedy}')

    def _say(self, what: str) -> None:
        """Say once, while there is time left, what is waited for."""
        waited = time.monotonic() - self._deadline + self.seconds
        if not self._said and waited > _PATIENCE:
            self._said = True
            print(f'{self._here} waits for {what}, {self.seconds:g} s at most', file=sys.stderr)

    def _ask(self, question: Callable[[], T], seconds: float | None = None) -> T:
        return within(max(_ANSWER, seconds or self._deadline - time.monotonic()), question)


def current() -> Meeting | None:
    """The meeting of this process's run; None where it runs alone."""
    return _current[-1] if _current else None


def begin(meeting: Meeting) -> None:
    """From now on a meeting is :func:`current`."""
    _current[:] = [meeting]


_current: list[Meeting] = []


def _names(noun: str, ranks: Sequence[int]) -> str:
    return f'{noun}{"s" if len(ranks) > 1 else ""} {", ".join(map(str, ranks))}'
