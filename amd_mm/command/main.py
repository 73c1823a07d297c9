"""The command ``amd-mm``; it imports no torch before it has its arguments."""
import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from amd_mm.command.parsers import PARSERS
from amd_mm.command.places import TOOLS
from amd_mm.failures import command
from amd_mm.stopping import stop_signals
from amd_mm.version import __version__

# What does it: a tool, or a function of amd_mm.command that starts one with a config of its making.
_TOOLS = dict(
    train='train.py', test='test.py', predict='predict.py', features='extract_features.py',
    export='export.py', convert='convert_checkpoint.py', report='report.py',
    config='print_config.py', zoo='model_zoo.py')
_SAYS = dict(
    pretrain='pre-train a student on a folder of pictures or videos, with a teacher or without',
    finetune='train a pre-trained encoder on folders of classes',
    train='what a config describes',
    test='a checkpoint, on the data that a config names',
    predict='what a fine-tuned network sees in pictures and videos',
    features="an encoder's features of pictures and videos, into a file",
    export='a checkpoint for ONNX Runtime, OpenVINO or torch, without this package',
    convert='a checkpoint for other libraries: timm, Transformers, OpenMMLab',
    report='the page about a run, and several runs side by side',
    config='what a config resolves to, or how two differ',
    zoo='published teachers: a list, a file, what a file is')


def main(argv: Sequence[str] | None = None) -> int:
    """Run a sub-command.

    Args:
        argv: Its name and arguments; None: the command line's.

    Returns:
        The exit status.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    name = _parser().parse_args(words[:1]).command
    sys.argv = [f'amd-mm {name}', *words[1:]]
    if name in PARSERS:
        return _start(name)
    return _run(TOOLS / _TOOLS[name])


def _run(tool: Path) -> int:
    """Run a script as Python runs one, but under the name that the command line has."""
    module = ModuleType('__main__')
    module.__file__ = str(tool)
    before, sys.modules['__main__'] = sys.modules['__main__'], module
    try:
        exec(compile(tool.read_bytes(), tool, 'exec'), vars(module))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.modules['__main__'] = before
    return 0


@command
def _start(name: str) -> None:
    args = PARSERS[name]().parse_args(sys.argv[1:])
    stop_signals.take()
    # By its name, as torch and the hosts come with it.
    module = importlib.import_module(f'amd_mm.command.{name}')
    getattr(module, name)(**vars(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='amd-mm', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Pre-trains small vision transformers, and what follows.\n\n' + '\n'.join(
            f'  {name:10}{says}' for name, says in _SAYS.items()),
        epilog='amd-mm COMMAND --help shows the arguments of each.')
    parser.add_argument('--version', action='version', version=f'amd_mm {__version__}')
    parser.add_argument('command', choices=_SAYS, metavar='COMMAND', help='one of the above')
    return parser
