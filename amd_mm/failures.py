"""How a command ends: one paragraph on the terminal for what went wrong, the rest in a file."""
from __future__ import annotations

import gc
import os
import re
import select
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import ParamSpec

import mmengine.config.config
from mmengine.logging import MMLogger
from mmengine.registry import build_functions

from amd_mm.meeting import CHECK, Unmet, current
from amd_mm.stopping import Stopped, stop_signals

__all__ = ['command']

P = ParamSpec('P')
# What the user can mend, and what is a fault of a program; 0 is success.
USER_ERROR, BUG = 2, 1
INTERRUPTED = 130
# As of a program that a signal for its closed pipe ends.
UNREAD = 141

_PACKAGE = str(Path(__file__).parent)
# What a module is installed by, where that is an extra of ours.
_EXTRAS = dict(mmdet='detection', mmseg='dense', ftfy='dense', timm='interop',
               transformers='interop', onnx='onnx', onnxruntime='onnx', openvino='openvino',
               nncf='openvino', mlxtend='quickstart',
               skimage='quickstart', mmcv='lite', tensorboard='loggers',
               wandb='loggers', mlflow='loggers')
# Longer messages (a thousand keys that do not fit) are in the file as a whole.
_MAX_LINES = 30
_MAX_CHARACTERS = 3000


def command(main: Callable[P, int | None]) -> Callable[P, int]:
    """Make a function a command: one that fails says why in one paragraph, the last one.

    The whole traceback goes to the log file of the run, or else to a temporary file that is named.

    Args:
        main: What the command does. It returns the exit status, None for 0.

    Returns:
        The command, which returns 2 for what the user can mend, 1 for a fault of a program, 130
        after Ctrl-C; 141 where its output is read no longer; 75 for a training that was told to
        stop and can be resumed.
    """
    @wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        earlier = set(MMLogger._instance_dict)
        try:
            status = main(*args, **kwargs) or 0
        except Stopped as stop:
            sys.stdout.flush()
            if not _rank():
                print(stop.message, file=sys.stderr)
            status = stop.status()
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr)
            return INTERRUPTED
        except Exception as error:
            if isinstance(error, BrokenPipeError) and _nobody_reads():
                return UNREAD
            message, status = describe(error)
            _tell_others(message)
            file = _keep_traceback(error, earlier)
            sys.stdout.flush()
            print(f'{_rank()}error: {message} (traceback: {file})', file=sys.stderr)
            return status
        finally:
            stop_signals.give_back()
        leave_processes()
        _nobody_reads()  # or Python complains of what is left
        return status

    return run


def _nobody_reads() -> bool:
    """Whether who read the output has gone, such as ``head``; the rest of it then goes nowhere."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # not of this system
        return False
    watched = select.poll()
    watched.register(output, 0)
    if not any(event & select.POLLERR for _, event in watched.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def describe(error: BaseException) -> tuple[str, int]:
    """What is wrong in one paragraph, and the exit status that belongs to it.

    ``ValueError`` and what the operating system says are about what the user gave; so is whatever
    happens while a part is built from a config, except where a promise of ours is broken.
    """
    reason = _reason(error)
    if _is_missing_key(error):
        return (f'the config must have {getattr(error, "name", None) or reason} for this command, '
                'but has not; give another config, or set it'), USER_ERROR
    if isinstance(error, ImportError):
        return _missing_module(error, reason), USER_ERROR
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        other = '' if error.filename2 is None else f' -> {error.filename2}'
        return (f'{error.filename}{other}: must be a file or folder that can be used, but: '
                f'{error.strerror}; check the path, and who may use it'), USER_ERROR
    # Where torch is not imported, nothing of it has failed.
    torch = sys.modules.get('torch')
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return (f'the device must have room for a step, but {reason}; lower '
                'train_dataloader.batch_size or set model.with_cp=True'), USER_ERROR
    file = _file_being_read(error)
    if file is not None:
        return (f'{file}: must be a checkpoint that torch can read, but {reason}; check what was '
                'downloaded'), USER_ERROR
    part = _part_being_built(error)
    if part is not None:
        return _unbuildable(part, error, reason), USER_ERROR
    if torch is not None and torch.distributed.is_available() and (
            isinstance(error, torch.distributed.DistError) or '/gloo/' in reason):
        return _unreachable(reason), BUG
    if isinstance(error, Unmet):
        return reason, BUG
    if isinstance(error, (ValueError, OSError, FloatingPointError)):
        return reason, USER_ERROR
    return f'{type(error).__name__}: {reason}; this should not happen, please report it', BUG


def leave_processes() -> None:
    """Take leave of the other processes of a distributed run; nothing where there are none.

    To be called last, when nothing holds the runner any more. MMEngine leaves it out, and a
    process that ends with gloo's threads alive is often aborted: torchrun then reports a run
    that has succeeded as failed. The model's wrapper holds them as well as torch does.
    """
    distributed = sys.modules.get('torch.distributed')
    if distributed is not None and distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()


def _tell_others(message: str) -> None:
    """Let other processes of the run, and the launcher, say why this one has ended."""
    if (meeting := current()) is not None:
        meeting.report(message)
    if 'TORCHELASTIC_ERROR_FILE' in os.environ:
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler
        get_error_handler().record_exception(RuntimeError(message))


def _rank() -> str:
    rank = os.environ.get('RANK', '0')
    return '' if rank == '0' else f'rank {rank}: '


def _keep_traceback(error: Exception, earlier: set[str]) -> str:
    """Write the traceback to the newest log file, of a logger that was not there earlier."""
    text = ''.join(traceback.format_exception(error))
    files = [logger.log_file for name, logger in MMLogger._instance_dict.items()
             if name not in earlier and logger.log_file]
    if files:
        with open(files[-1], 'a') as log:
            log.write(text)
        return files[-1]
    name = Path(sys.argv[0]).stem.replace(' ', '-')  # of a sub-command
    handle, path = tempfile.mkstemp(prefix=f'{name}-', suffix='.log', text=True)
    with open(handle, 'w') as log:
        log.write(' '.join(sys.argv) + '\n' + text)
    return path


def _reason(error: BaseException) -> str:
    """The message of an exception, shortened to a paragraph."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'Traceback (most recent call last)' in message:
        # Of another process: what follows the last line of code.
        message = re.split(r'\n +.*(?=\n)', message)[-1]
        message = re.sub(r'^\s*[\w.]+(Error|Exception|Interrupt)?: ', '', message)
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    text = '\n'.join(lines[:_MAX_LINES]).strip()
    if len(lines) > _MAX_LINES or len(text) > _MAX_CHARACTERS:
        text = f'{text[:_MAX_CHARACTERS]} ...'
    return text or f'no message ({type(error).__name__})'


def _unreachable(reason: str) -> str:
    """Of a collective that has failed: who is missing, which the others are asked for."""
    meeting = current()
    missing = '' if meeting is None else f'{meeting.find_missing()}; '
    return (f'the {os.environ.get("WORLD_SIZE", "?")} processes of a run must reach each other, '
            f'but rank {os.environ.get("RANK", "?")} on {socket.gethostname()} waited in vain: '
            f'{missing}it waited for this: {reason}. {CHECK[0].upper()}{CHECK[1:]}; a process that '
            'has failed says why above, and env_cfg.dist_cfg.timeout is how long others wait')


def _missing_module(error: ImportError, reason: str) -> str:
    module = (error.name or '').partition('.')[0]
    if not module or not isinstance(error, ModuleNotFoundError):
        return reason
    remedy = f"pip install 'amd-mm[{_EXTRAS[module]}]'" if module in _EXTRAS else (
        'install it, or put its folder on PYTHONPATH')
    return f'the module {module} must be installed for this, but is not there; {remedy}'


def _frames(error: BaseException) -> list[FrameType]:
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def _is_ours(error: BaseException) -> bool:
    """Whether this package has raised it."""
    frames = _frames(error)
    return bool(frames) and frames[-1].f_code.co_filename.startswith(_PACKAGE)


def _is_missing_key(error: BaseException) -> bool:
    """Whether a config was asked for what it has not."""
    code = _frames(error)[-1].f_code if error.__traceback__ else None
    return isinstance(error, (AttributeError, KeyError)) and code is not None and (
        code.co_filename == mmengine.config.config.__file__
        and code.co_name in ('__missing__', '__getattr__'))


def _file_being_read(error: BaseException) -> str | None:
    """The checkpoint that torch was reading."""
    torch = sys.modules.get('torch')
    files = [frame.f_locals.get('f') for frame in _frames(error)
             if torch is not None and frame.f_code is torch.load.__code__]
    return str(files[0]) if files else None


def _part_being_built(error: BaseException) -> str | None:
    """The type of the innermost part of a config that was being built; None if none was.

    Where a promise of ours was broken, it is no fault of the config.
    """
    if isinstance(error, AssertionError) and _is_ours(error):
        return None
    built = [frame.f_locals.get('cfg') for frame in _frames(error)
             if frame.f_code is build_functions.build_from_cfg.__code__]
    if not built:
        return None
    name = built[-1].get('type') if isinstance(built[-1], dict) else None
    return getattr(name, '__name__', None) or str(name)


def _unbuildable(part: str, error: BaseException, reason: str) -> str:
    unknown = re.match(r'(\S+) is not in the (\S+) registry', reason)
    if unknown:
        return (f'a type of the config must be registered, got {unknown[1]!r}, which is not in '
                f'{unknown[2]}; correct it, or import its module by custom_imports')
    if isinstance(error, ValueError) and _is_ours(error):
        return reason  # which names subject and remedy
    return f'{part}: must be built as the config has it, but {reason}; correct its settings'
