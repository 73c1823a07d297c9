"""Arguments of the commands; nothing here imports torch, so that ``--help`` is there at once."""
import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.config import DictAction


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
            try:
                super().__call__(parser, namespace, [word], option_string)
            except RecursionError:  # MMEngine's way of not reading NAME(a,b)
                parser.error(f'{option_string} must have words, numbers and lists as values, got '
                             f'{word!r}; set the parts of a dict one by one, as {key}.PART=VALUE')


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
    """The type of ``--device``, for argparse: one that torch has and this machine too.

    ``'auto'`` is the accelerator, else the CPU; as a default it is looked for after ``--help``.
    """
    import torch

    if text == 'auto':
        from mmengine.device import get_device

        return get_device()
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


def parse_first(name: str, parse: Callable[[], object]) -> None:
    """Read the words of a command before it imports what takes seconds.

    ``--help`` is answered at once, and what is misspelt refused. A tool calls it between its
    ``parse_args`` and those imports.

    Args:
        name: ``__name__`` of the tool: one that is imported has no words.
        parse: Its ``parse_args``, which reads them once more when the command begins.
    """
    if name == '__main__':
        parse()
