"""What the commands that take a config have in common."""
import argparse
import gc
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from torch import distributed

from amd_mm.config_keys import merge_options, nearest

# bfloat16 has the range of float32: nothing has to be scaled, and MMEngine's default, a
# dynamic scale, would skip updates in silence.
BFLOAT16 = dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False))

# How MMEngine begins what it says of them, before sys.path.
_NOT_IMPORTED = 'Failed to import custom modules'
_CONFIG_ENDINGS = ('.py', '.json', '.yaml', '.yml')
# What a launcher puts into the environment of each process.
_LAUNCHED = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


class OptionAction(DictAction):
    """MMEngine's action for key=value, which refuses what is no such thing."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: Any, option_string: str | None = None) -> None:
        """Add the options to those that are there."""
        for word in values:
            key, equals, value = word.partition('=')
            if not equals or not all(key.split('.')):
                parser.error(f'{option_string} must be key=value with names and points in the '
                             f'key, got {word!r}; write for instance train_cfg.max_epochs=50')
            if any(value.count(one) != value.count(other) for one, other in ('()', '[]')):
                parser.error(f'{option_string} must close every bracket of a value, got {word!r}; '
                             "write lists as key='[a,b]'")
        super().__call__(parser, namespace, values, option_string)


def number(kind: type[int] | type[float] = int, *, least: float | None = None,
           above: float | None = None) -> Callable[[str], float]:
    """The type of an argument that is a number within limits, for argparse.

    Args:
        kind: Whole or not.
        least: The smallest that it can be.
        above: What it must be above.
    """
    limit = f'of at least {least}' if least is not None else f'above {above}'

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or value != value or (least is not None and value < least) or (
                above is not None and value <= above):
            whole = 'whole ' if kind is int else ''
            raise argparse.ArgumentTypeError(f'must be a {whole}number {limit}, got {text!r}')
        return value

    return convert


def device(text: str) -> str:
    """The type of ``--device``, for argparse: one that torch has and this machine too."""
    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).partition('\n')[0]
        raise argparse.ArgumentTypeError(
            f'must be a device of this machine, such as cpu, got {text!r} ({reason})') from error
    return text


def new_file(text: str) -> Path:
    """The type of an argument that is a file to write, for argparse: its folder must be there.

    What cannot be written is found out before hours of work.
    """
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(
            f'must be a file in a folder that can be written to, got {text!r}; make the folder')
    return path


def existing_folder(text: str) -> str:
    """The type of an argument that is an existing folder, for argparse."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f'must be an existing folder, got {text!r}; make it')
    return text


def add_config_arguments(parser: argparse.ArgumentParser, config: str) -> None:
    """Add ``config`` and ``--cfg-options``, for :func:`read_config`.

    Args:
        parser: Of any command that reads a config.
        config: What the config has to be, for the help.
    """
    parser.add_argument('config', help=config)
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionAction, default={},
        help="settings of the config to change: key=value, lists as key='[a,b]' or key=a,b")


def read_config(args: argparse.Namespace) -> Config:
    """Read the config, change in it what the command line asks for, and settle the scope.

    Types without a prefix are then those of the config's ``default_scope``, where it has one.

    Args:
        args: With the arguments of :func:`add_config_arguments`.

    Raises:
        ValueError: If there is no config, it cannot be read, or an option sets what nothing reads.
    """
    cfg = read_config_file(args.config)
    scope = cfg.get('default_scope')
    _settle_scope(scope)
    merge_options(cfg, args.cfg_options)
    if cfg.get('default_scope') != scope:
        _settle_scope(cfg.default_scope)
    return cfg


def _settle_scope(scope: str | None) -> None:
    if scope is None:
        return
    if not isinstance(scope, str) or importlib.util.find_spec(scope.partition('.')[0]) is None:
        raise ValueError(f'default_scope must be a package that is installed, got {scope!r}; write '
                         'for instance mmpretrain or mmaction')
    init_default_scope(scope)


def read_config_file(path: str | Path) -> Config:
    """The config of a file and its bases.

    Raises:
        ValueError: If there is none, or its text cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        if path.is_dir():
            raise ValueError(f'{path}: a config must be a file, but is a folder; name one in it')
        likely = nearest(path.name, _configs_in(path.parent))
        remedy = f'did you mean {likely}?' if likely else 'check the path'
        raise ValueError(f'{path}: a config must be a file, but there is none; {remedy}')
    if path.suffix not in _CONFIG_ENDINGS:
        raise ValueError(f'{path}: the name of a config must end in {", ".join(_CONFIG_ENDINGS)}, '
                         f'got {path.suffix!r}; give a config, or rename it')
    _find_own_parts(path)
    try:
        return Config.fromfile(path)
    except SyntaxError as error:
        imported = error.filename if Path(error.filename or '').is_file() else None
        what = 'what a config imports' if imported else 'a config'
        raise ValueError(f'{imported or path}: {what} must be Python, but line {error.lineno} is '
                         f'not ({error.msg}): {(error.text or "").strip()}; '
                         'correct it') from error
    except Exception as error:  # A config is a program: it raises whatever it does.
        if isinstance(error, ImportError) and str(error).startswith(_NOT_IMPORTED):
            first = _first_of(error)
            raise ValueError(
                f'{path}: what custom_imports names must be importable, but '
                f'{type(first).__name__} was raised: {first}; put the file beside the config or '
                'into the current folder, or correct it') from error
        raise ValueError(
            f'{path}: a config must run to its end, but{_line_of(error, path)} '
            f'{type(error).__name__} was raised: {error}; correct it or its _base_') from error


def _find_own_parts(config: Path) -> None:
    """Let ``custom_imports`` find modules beside a config, and in the current folder.

    They come last, so that no config hides a package by its name. Processes that load data
    inherit it.
    """
    for folder in (str(config.resolve().parent), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.append(folder)


def _first_of(error: BaseException) -> BaseException:
    """The exception that those which were raised while it was handled began with."""
    while before := error.__cause__ or error.__context__:
        error = before
    return error


def _configs_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob('*') if path.suffix in _CONFIG_ENDINGS]


def _line_of(error: BaseException, path: Path) -> str:
    """Where in the config's own file an exception came from, if there."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == path.name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return '' if line is None else f' in line {line}'


def run_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the arguments of a run: training and testing."""
    parser = argparse.ArgumentParser(description=description)
    add_config_arguments(parser, 'config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go '
                        '(default: work_dir of the config, else work_dirs/ and its name)')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0,
                        help='set by old launchers')
    return parser


def read_run_config(args: argparse.Namespace) -> Config:
    """As :func:`read_config`, with launcher and work dir.

    Args:
        args: Parsed by a parser of :func:`run_parser`.

    Raises:
        ValueError: As :func:`read_config`, or if the launcher has not started this process.
    """
    variable = _LAUNCHED.get(args.launcher)
    if variable is not None and variable not in os.environ:
        raise ValueError(
            f'--launcher {args.launcher} must be said by the launcher, which sets {variable}, but '
            f'that is not set; start with tools/dist_train.sh or tools/slurm_train.sh, or leave '
            'out --launcher')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def enable_amp(cfg: Config) -> None:
    """Turn on bfloat16 autocast in a config, in place; one that has autocast stays as it is.

    Raises:
        ValueError: For an optimizer wrapper other than MMEngine's two.
    """
    name = cfg.optim_wrapper.get('type', 'OptimWrapper').rpartition('.')[-1]
    if name not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f'--amp needs optim_wrapper.type OptimWrapper or AmpOptimWrapper, got {name}; '
            'set the precision in the config instead')
    if name == 'OptimWrapper':
        cfg.optim_wrapper.update(BFLOAT16)


def leave_processes() -> None:
    """Take leave of the other processes of a distributed run; nothing where there are none.

    To be called last, when nothing holds the runner any more. MMEngine leaves it out, and a
    process that ends with gloo's threads alive is often aborted: torchrun then reports a run
    that has succeeded as failed. The model's wrapper holds them as well as torch does.
    """
    if distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()
