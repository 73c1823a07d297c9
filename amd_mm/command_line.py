"""What the commands that take a config have in common."""
import argparse
import importlib.util
import os
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope

# What others import from here too.
from amd_mm.arguments import OptionAction as OptionAction
from amd_mm.arguments import add_config_arguments as add_config_arguments
from amd_mm.arguments import device as device
from amd_mm.arguments import existing_folder as existing_folder
from amd_mm.arguments import new_file as new_file
from amd_mm.arguments import number as number
from amd_mm.arguments import run_parser as run_parser
from amd_mm.config_keys import merge_options, nearest
from amd_mm.failures import leave_processes as leave_processes
from amd_mm.input_shape import settle_shape

# bfloat16 has the range of float32: nothing has to be scaled, and MMEngine's default, a
# dynamic scale, would skip updates in silence.
BFLOAT16 = dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False))

# How MMEngine begins what it says of them, before sys.path.
_NOT_IMPORTED = 'Failed to import custom modules'
_CONFIG_ENDINGS = ('.py', '.json', '.yaml', '.yml')
# What a launcher puts into the environment of each process.
_LAUNCHED = dict(pytorch='RANK', slurm='SLURM_PROCID', mpi='OMPI_COMM_WORLD_RANK')


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
    settle_shape(cfg)
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
    """The config of a file and its bases, its ``size``, ``frames`` and ``patch`` settled.

    Raises:
        ValueError: If there is none, its text cannot be read, or it has no such size.
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
        cfg = Config.fromfile(path)
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
    settle_shape(cfg)
    return cfg


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
