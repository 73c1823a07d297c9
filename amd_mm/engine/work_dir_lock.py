"""One run a work dir: a lock file that says whose it is."""
from __future__ import annotations

import atexit
import os
import socket
from pathlib import Path
from typing import ClassVar

from filelock import SoftFileLease, Timeout

# Seconds: of another host nothing is known but that its lock is renewed, or is not for as long.
LEASE = 60.
_NAME = '.lock'


class WorkDirLock:
    """Holds a work dir for this process, on a local disk or one over the network.

    The lock is ``filelock``'s lease: a file ``.lock`` with host, process and its start, renewed in
    a thread. What a process left that was killed is taken over: on the same host at once, from
    another host when it has not been renewed for a minute, which is waited for.

    Args:
        work_dir: A folder that is there.
    """

    # Of this process; a run that ended by an error has not given its own back.
    _held: ClassVar[dict[str, SoftFileLease]] = {}

    def __init__(self, work_dir: str | Path) -> None:
        self.work_dir = os.path.abspath(work_dir)
        self._path = Path(self.work_dir, _NAME)

    def acquire(self) -> None:
        """Take the lock; this process may have it already.

        Raises:
            ValueError: If another process has it.
        """
        if self.work_dir in self._held:
            return self.require_held()
        lease = SoftFileLease(self._path, lease_duration=LEASE, heartbeat_interval=LEASE / 6,
                              thread_local=False)
        seen = [self._renewed(lease)]

        def is_alive() -> bool:
            # Of this host filelock itself finds out, at its first try.
            seen.append(self._renewed(lease))
            owner = lease.owner
            here = owner is not None and owner.hostname == socket.gethostname()
            return len(seen) > 2 and (here or seen[-1] != seen[0])

        try:
            lease.acquire(timeout=2 * LEASE, poll_interval=min(.5, LEASE / 6),
                          cancel_check=is_alive)
        except Timeout as error:
            raise ValueError(self._refusal(lease)) from error
        self._held[self.work_dir] = lease
        atexit.register(self.release)

    def require_held(self) -> None:
        """Raise a ValueError if this process had the lock, and another has taken it since."""
        lease = self._held.get(self.work_dir)
        if lease is not None and lease.compromise is not None:
            raise ValueError(
                f'{self._refusal(lease)} (This run had it before, and did not renew it: it was '
                f'stopped for more than {LEASE:.0f} s, or the file was removed.)')

    def release(self) -> None:
        """Give it back, if this process has it."""
        if (lease := self._held.pop(self.work_dir, None)) is not None:
            lease.release(force=True)

    def _renewed(self, lease: SoftFileLease) -> tuple[object, int]:
        """Whose it is, and when that was said last."""
        try:
            return lease.owner, self._path.stat().st_mtime_ns
        except OSError:
            return None, 0

    def _refusal(self, lease: SoftFileLease) -> str:
        owner = lease.owner
        whose = (f'process {owner.pid} on host {owner.hostname} trains in it' if owner
                 else f'{self._path} is not ours')
        return (f'The work dir {self.work_dir} must belong to one run, but {whose}; wait for that '
                'one or stop it, or take another --work-dir.')
