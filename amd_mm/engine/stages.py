"""Commands that build on each other: run once, side by side, and taken up where they were left."""
import hashlib
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout
from mmengine.config import Config

from amd_mm.export.writing import replacing

LOOK_AGAIN = 1.  # seconds, where there is nothing to do but wait for another command


@dataclass(frozen=True)
class Stage:
    """One command, what has to be done before it, and what it leaves.

    Attributes:
        name: Of its folder in the run's, too.
        command: A program and its arguments; ``str(stage)`` is what one types.
        output: A file or folder that is there when it has ended.
        config: Whose content counts as an argument.
        needs: Stages that end before it begins.
        environment: Variables that its command is given.
        identity: What its result depends on; None: command, config and needs. To be given where
            the command may differ for the same result, as the number of processes does.
    """

    name: str
    command: tuple[str, ...]
    output: Path
    config: Path | None = None
    needs: tuple['Stage', ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    identity: str | None = None

    def __str__(self) -> str:
        said = [f'{name}={value}' for name, value in self.environment.items()]
        return ' '.join([*said, shlex.join(self.command)])

    @cached_property
    def key(self) -> str:
        """Changes with everything that the result depends on, except the code."""
        if self.identity is not None:
            return self.identity
        parts = [*self.command[1:], *(stage.key for stage in self.needs)]
        if self.config is not None:
            parts.append(Config.fromfile(self.config).pretty_text)
        return hashlib.sha256('\0'.join(parts).encode()).hexdigest()


class _Running(NamedTuple):
    stage: Stage
    process: subprocess.Popen
    began: float
    lock: FileLock


class StageRunner:
    """Runs stages, a few at a time, and remembers which have ended.

    Args:
        run: Folder of this run.
        jobs: How many stages may run side by side, at least 1.
        folder: Where commands run.
        threads: To compute with in a stage; None: what torch takes. Networks of a few hundred
            thousand weights gain nothing from a second one.
    """

    def __init__(self, run: Path, jobs: int, folder: Path, threads: int | None = 1) -> None:
        self.run, self.jobs, self.folder = run, jobs, folder
        self.environment = dict(os.environ)
        # Commands that say `python` mean this one.
        self.environment['PATH'] = os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ.get('PATH', '')])
        if threads is not None:
            self.environment |= dict(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
        self.running: dict[int, _Running] = {}

    def note(self, stage: Stage) -> dict:
        """What is known of a stage; empty where it was never started."""
        path = self.run / stage.name / 'stage.json'
        return json.loads(path.read_text()) if path.exists() else {}

    def write_note(self, stage: Stage, **facts: float | Mapping[str, float]) -> None:
        """Keep what is known of a stage.

        Args:
            stage: Which.
            facts: ``seconds`` and ``cpu_seconds`` where it has ended; ``before``, both of its
                starts so far, where it has not.
        """
        note = json.dumps(dict(key=stage.key, command=stage.command, **facts), indent=1)
        # Another command may be reading it.
        with replacing(self.run / stage.name / 'stage.json') as temporary:
            temporary.write_text(note)

    def has_ended(self, stage: Stage) -> bool:
        """Whether it ended with the same settings, and what it left is there."""
        note = self.note(stage)
        return note.get('key') == stage.key and 'seconds' in note and stage.output.exists()

    def run_all(self, stages: list[Stage]) -> None:
        """Run what has not ended; wait for what another command runs.

        Raises:
            ValueError: When a stage fails; with the end of its log. When another command runs one
                with other settings.
        """
        waiting = {stage.name: stage for stage in stages if not self.has_ended(stage)}
        ended = [stage.name for stage in stages if stage.name not in waiting]
        if ended:
            print(f'Done before: {", ".join(ended)}', flush=True)
        elsewhere: set[str] = set()
        try:
            while waiting:
                for stage in self._ready(waiting):
                    if len(self.running) < self.jobs and not self.start(stage):
                        if stage.name not in elsewhere:
                            print(f'  {stage.name}: another command runs it, waiting', flush=True)
                        elsewhere.add(stage.name)
                if self.running:
                    del waiting[self.wait_for_one().name]
                else:
                    time.sleep(LOOK_AGAIN)
                for name in elsewhere & waiting.keys():
                    if self.has_ended(waiting[name]):
                        del waiting[name]
        finally:
            for pid in self.running:
                os.kill(pid, signal.SIGTERM)
            while self.running:
                self._take(*os.wait4(next(iter(self.running)), 0), ended_by_us=True)

    def _ready(self, waiting: Mapping[str, Stage]) -> list[Stage]:
        """Those that do not run and need nothing that waits."""
        own = {running.stage.name for running in self.running.values()}
        return [stage for name, stage in waiting.items() if name not in own
                and waiting.keys().isdisjoint(need.name for need in stage.needs)]

    def start(self, stage: Stage) -> bool:
        """Start its command; of other settings nothing is kept.

        Returns:
            Whether it was started. Not if another command runs it, or has ended it by now;
            nothing of it is touched then.

        Raises:
            ValueError: If another command runs it with other settings: what that makes would be
                removed.
        """
        folder = self.run / stage.name
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder, which may be removed below.
        lock = FileLock(f'{folder}.lock', blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            if self.note(stage).get('key', stage.key) == stage.key:
                return False
            raise ValueError(
                f'The stage {folder} must be run with the same settings by all commands, but '
                f'another one runs it with others ({lock.lock_file} is locked); wait for that one '
                'or stop it, or take another --work-dir.') from error
        if self.has_ended(stage):
            lock.release()
            return False
        note = self.note(stage)
        if note.get('key', stage.key) != stage.key:
            shutil.rmtree(folder)  # made with other settings: nothing to go on from
            note = {}
        folder.mkdir(exist_ok=True)
        # One that ended and whose output is gone goes on from its last checkpoint, too.
        before = note.get('before', note)
        self.write_note(stage, before={
            name: before.get(name, 0.) for name in ('seconds', 'cpu_seconds')})
        with open(folder / 'output.log', 'a') as log:
            process = subprocess.Popen(
                stage.command, cwd=self.folder, env={**self.environment, **stage.environment},
                stdout=log, stderr=subprocess.STDOUT)
        self.running[process.pid] = _Running(stage, process, time.time(), lock)
        print(f'  {stage.name} ... (log: {folder / "output.log"})', flush=True)
        return True

    def wait_for_one(self) -> Stage:
        """Wait until some stage ends."""
        while True:
            child = os.wait4(-1, 0)
            if child[0] in self.running:  # this process may have children of other origin
                break
        stage, seconds, returncode = self._take(*child)
        if returncode:
            log = self.run / stage.name / 'output.log'
            end = '\n'.join(log.read_text(errors='replace').splitlines()[-30:])
            raise ValueError(
                f'{stage.name} ended with status {returncode}; the end of {log}:\n{end}')
        print(f'  {stage.name}: {seconds:.0f} s', flush=True)
        return stage

    def _take(self, pid: int, status: int, usage: resource.struct_rusage,
              ended_by_us: bool = False) -> tuple[Stage, float, int]:
        """Note what a command that has ended took with its earlier starts.

        Returns:
            It, its seconds and its exit status.
        """
        stage, process, began, lock = self.running.pop(pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        before = self.note(stage)['before']
        spent = dict(seconds=before['seconds'] + time.time() - began,
                     cpu_seconds=before['cpu_seconds'] + usage.ru_utime + usage.ru_stime)
        spent = {name: round(value, 1) for name, value in spent.items()}
        if process.returncode or ended_by_us:
            self.write_note(stage, before=spent)
        else:
            self.write_note(stage, **spent)
        lock.release()
        return stage, spent['seconds'], process.returncode


def end_stages_when_killed() -> None:
    """Make SIGTERM an exception, on which :class:`StageRunner` ends what it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
