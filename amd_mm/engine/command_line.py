"""What the commands that take a config have in common."""
import argparse
import gc
import os
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.registry import RUNNERS
from mmengine.runner import Runner
from torch import distributed


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every command has; ``config`` is its first."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where logs and checkpoints go '
                        '(default: work_dir of the config, else work_dirs/ and its name)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={},
        help="settings of the config to change: key=value, lists as key='[a,b]' or key=a,b")
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local-rank', '--local_rank', type=int, default=0,
                        help='set by old launchers')
    return parser


def read_config(args: argparse.Namespace) -> Config:
    """Reads the config and changes in it what the command line asks for.

    Args:
        args: Parsed by a parser of :func:`config_parser`.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    return cfg


def build_runner(cfg: Config) -> Runner:
    """The runner of a config: MMEngine's, or the one it names by ``runner_type``."""
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)


def leave_processes() -> None:
    """Takes leave of the other processes of a distributed run; nothing where there are none.

    To be called last, when nothing holds the runner any more. MMEngine leaves it out, and a
    process that ends with gloo's threads alive is often aborted: torchrun then reports a run
    that has succeeded as failed. The model's wrapper holds them as well as torch does.
    """
    if distributed.is_initialized():
        gc.collect()
        distributed.destroy_process_group()
