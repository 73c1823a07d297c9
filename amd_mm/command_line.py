"""What the commands that take a config have in common."""
import argparse
import gc
import os
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from torch import distributed

# bfloat16 has the range of float32: nothing has to be scaled, and MMEngine's default, a
# dynamic scale, would skip updates in silence.
BFLOAT16 = dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False))


def add_config_arguments(parser: argparse.ArgumentParser, config: str) -> None:
    """Add ``config`` and ``--cfg-options``, for :func:`read_config`.

    Args:
        parser: Of any command that reads a config.
        config: What the config has to be, for the help.
    """
    parser.add_argument('config', help=config)
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={},
        help="settings of the config to change: key=value, lists as key='[a,b]' or key=a,b")


def read_config(args: argparse.Namespace) -> Config:
    """Read the config, change in it what the command line asks for, and settle the scope.

    Types without a prefix are then those of the config's ``default_scope``, where it has one.

    Args:
        args: With the arguments of :func:`add_config_arguments`.
    """
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    if cfg.get('default_scope') is not None:
        init_default_scope(cfg.default_scope)
    return cfg


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
    """
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
