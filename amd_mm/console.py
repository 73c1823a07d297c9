"""What a run shows on the terminal; its log file has everything."""
from __future__ import annotations

import os
import re
import sys
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from logging import INFO, WARNING, FileHandler, Handler, LogRecord
from pathlib import Path
from types import TracebackType
from typing import TextIO

from mmengine.logging import MMLogger
from rich.console import Console as Terminal
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from amd_mm.compat.rebind import replaced

__all__ = ['Console']

# Warnings of one kind that are shown.
_SHOWN = 5
# What hosts say to those who call them, or of what a config has left out on purpose.
_FOR_THE_FILE = ('will be deprecated', '`save_param_scheduler` is True but',
                 'make sure that the mlflow server is running',
                 'is skipped since its requires_grad=False',
                 'environment variable for each process to be 1',
                 '`broadcast_buffers` is deprecated')

_PACKAGE = str(Path(__file__).parent)
# Where libraries are; warnings of their code concern their authors.
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ('stdlib', 'purelib', 'platlib')})


class Console:
    """Shows a header, progress and warnings; everything else is in the log file alone.

    A context around the building and the run. On a terminal there is a progress bar, elsewhere a
    line at a time of MMEngine's logger hook. A run that fails before :meth:`start` leaves nothing
    but its error, which is not printed here.

    What other libraries print before the start is put into the log file; so are the warnings of
    their code, and whatever a process that loads data writes while a bar is drawn.
    """

    def __init__(self) -> None:
        self.is_terminal = False
        self._started = False
        self._warnings: list[str] = []
        self._kinds: Counter[str] = Counter()
        # Printed before there was a log file.
        self._printed: list[str] = []
        self._log_file: str | None = None
        self._last_line = ''
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Console:
        self._process = os.getpid()
        # Other processes of a distributed run report errors alone.
        self._is_first = os.environ.get('RANK', '0') == '0'
        self._out = sys.stdout
        self._terminal = Terminal(file=sys.stdout)
        self.is_terminal = (self._is_first and self._terminal.is_terminal
                            and not self._terminal.is_dumb_terminal)
        # It does not stand in for the streams itself: a forked process must not draw.
        self._progress = Progress(
            TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn('eta'), TimeRemainingColumn(),
            TextColumn('{task.fields[figures]}'), console=self._terminal, transient=True,
            redirect_stdout=False, redirect_stderr=False, disable=not self.is_terminal)
        with ExitStack() as stack:
            stack.enter_context(replaced(sys, 'stdout', _Stream(self, sys.stdout)))
            if self.is_terminal:
                stack.enter_context(replaced(sys, 'stderr', _Stream(self, sys.stderr)))
            stack.enter_context(replaced(warnings, 'showwarning', self._show_warning))
            # A function, which becomes a method of the loggers.
            stack.enter_context(replaced(
                MMLogger, 'callHandlers',
                lambda logger, record: self._call_handlers(logger, record)))
            stack.enter_context(self._progress)
            self._stack = stack.pop_all()
        self.progress('preparing', 0, None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stack.close()
        if not isinstance(error, Exception):
            self._show_kept_warnings()
        # For those who keep our streams.
        self._started, self.is_terminal = True, False

    def start(self, header: Mapping[str, str]) -> None:
        """Show what is about to happen, and from now on what happens.

        Args:
            header: Lines by name.
        """
        self.finish('preparing')
        width = max(map(len, header))
        for name, value in header.items():
            self.show(f'{name:{width}}  {value}')
        self._show_kept_warnings()
        self._started = True

    def show(self, line: str) -> None:
        """Show a line, above the bar if there is one."""
        if not self._is_first:
            return
        # Of file names and decoders' messages.
        line = ''.join(sign if sign.isprintable() or sign in '\n\t' else '?' for sign in line)
        if self.is_terminal:
            self._terminal.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self._out, flush=True)

    def progress(self, name: str, done: int, total: int | None, figures: str = '') -> None:
        """Move a bar, which is made where there is none; off a terminal nothing happens.

        Args:
            name: Of the bar.
            done: Steps that lie behind.
            total: Steps in all; None where nobody knows.
            figures: Behind the bar.
        """
        if name not in self._tasks:
            # Speed is that of this run: what lay behind before it does not count.
            self._tasks[name] = self._progress.add_task(
                name, completed=done, total=total, figures=figures)
        self._progress.update(self._tasks[name], completed=done, total=total, figures=figures)

    def finish(self, name: str) -> None:
        """Take a bar away."""
        if name in self._tasks:
            self._progress.remove_task(self._tasks.pop(name))

    def end_epoch(self) -> None:
        """Keep the epoch's last figures in view on a terminal, where the bar goes on."""
        if self.is_terminal and self._last_line:
            self.show(self._last_line)
            self._last_line = ''

    def write(self, target: TextIO, proxy: TextIO | FileProxy, text: str) -> None:
        """What is to happen with a text that is printed.

        Args:
            target: The stream that it was meant for.
            proxy: The way to that stream above a bar.
            text: Not always a whole line.
        """
        if os.getpid() != self._process:
            if self.is_terminal:
                self._keep_in_file(text)
            else:
                target.write(text)
        elif not self._started and target is self._out:
            self._keep_in_file(text)
        else:
            (proxy if self.is_terminal else target).write(text)

    def _call_handlers(self, logger: MMLogger, record: LogRecord) -> None:
        """In place of MMEngine's way of handing a record to its handlers."""
        for handler in logger.handlers:
            if isinstance(handler, FileHandler) and self._log_file is None:
                self._log_file = handler.baseFilename
                for text in self._printed:
                    self._keep_in_file(text)
            if record.levelno < handler.level:
                continue
            if isinstance(handler, FileHandler):
                handler.handle(record)
            elif handler.filter(record):
                self._take(record, handler)

    def _take(self, record: LogRecord, handler: Handler) -> None:
        if os.getpid() != self._process:
            return
        message = record.getMessage()
        if record.levelno >= WARNING:
            self._warn(message)
        elif record.levelno == INFO and record.module == 'logger_hook' and self._started:
            self._show_figures(time.strftime('%H:%M:%S ') + ' '.join(message.split()))

    def _show_figures(self, line: str) -> None:
        if 'Exp name: ' in line:
            return
        # Of tables, such as a confusion matrix, nobody reads one line.
        line = re.sub(r' \S+: tensor\(.*?\)(?= \S+: |$)', '', line)
        if self.is_terminal and 'Epoch(train)' in line:
            self._last_line = line
        # Of validation on a terminal, the result; the bar shows what has been done of it.
        elif not (self.is_terminal and ' eta: ' in line and 'Iter(train)' not in line):
            self.show(line)

    def _warn(self, message: str) -> None:
        if any(words in message for words in _FOR_THE_FILE):
            return
        kind = message.partition(':')[0]
        self._kinds[kind] += 1
        if self._kinds[kind] > _SHOWN:
            return
        line = f'warning: {message}'
        if self._kinds[kind] == _SHOWN:
            line += f' (others of this kind are only in {self._log_file})'
        if self._started:
            self.show(line)
        elif line not in self._warnings:
            self._warnings.append(line)

    def _show_kept_warnings(self) -> None:
        for line in self._warnings:
            self.show(line)
        self._warnings = []

    def _show_warning(self, message: Warning | str, category: type[Warning], filename: str,
                      lineno: int, file: TextIO | None = None, line: str | None = None) -> None:
        """In place of Python's."""
        text = warnings.formatwarning(message, category, filename, lineno, line)
        self._keep_in_file(text)
        concerns_user = not issubclass(category, DeprecationWarning) and (
            filename.startswith(_PACKAGE) or not filename.startswith(_LIBRARIES))
        if concerns_user and os.getpid() == self._process and self._is_first:
            self._warn(str(message))

    def _keep_in_file(self, text: str) -> None:
        if self._log_file is None:
            self._printed.append(text)
            return
        with open(self._log_file, 'a') as log:
            log.write(text)


class _Stream:
    """Stands where Python's stream stood, also for those who keep it for longer.

    Args:
        console: Decides.
        target: The stream itself.
    """

    def __init__(self, console: Console, target: TextIO) -> None:
        self._console = console
        self._target = target
        self._proxy = FileProxy(console._terminal, target)

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)

    def write(self, text: str) -> int:
        """Hand the text to the console."""
        self._console.write(self._target, self._proxy, text)
        return len(text)

    def flush(self) -> None:
        """Let through what is whole."""
        self._target.flush()
