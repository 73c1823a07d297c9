"""Arguments of the sub-commands that make a config; nothing here imports torch."""
import argparse
from collections.abc import Callable

from amd_mm.arguments import OptionAction, number
from amd_mm.command.recipes import methods, students

_COUNT = number(least=1)


def pretrain_parser() -> argparse.ArgumentParser:
    """Of ``amd-mm pretrain``; the names are the arguments of :func:`amd_mm.pretrain`."""
    parser = argparse.ArgumentParser(
        prog='amd-mm pretrain', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Pre-trains a student on pictures or videos, labels or not.\n\n'
        'Writes OUT/config.py, which amd-mm train goes through again, and trains.',
        epilog='amd-mm pretrain --data my_videos --teacher videomae_vit-large.pth --out work\n'
        'amd-mm pretrain --data my_pictures --out work --method mae --size 128')
    _add_data(parser, 'folder (everything below counts) or list (a path a line) of pictures or '
              'of videos')
    parser.add_argument('--teacher', metavar='FILE|NAME',
                        help='checkpoint of any layout, or a name of "amd-mm zoo list" whose file '
                        'is at hand (default: none; the student then learns from pixels alone)')
    parser.add_argument('--student', choices=students(), default='vit-small',
                        help='the encoder (default: vit-small)')
    parser.add_argument('--method', choices=methods(), metavar='METHOD',
                        help=f'{", ".join(methods())} (default: amd with a teacher, without one '
                        'mae or videomae)')
    _add_shape(parser, "the teacher's, else the recipe's")
    parser.add_argument('--patch', type=_COUNT, metavar='PIXELS',
                        help="side of a patch (default: the teacher's, else the recipe's)")
    _add_run(parser)
    return parser


def finetune_parser() -> argparse.ArgumentParser:
    """Of ``amd-mm finetune``; the names are the arguments of :func:`amd_mm.finetune`."""
    parser = argparse.ArgumentParser(
        prog='amd-mm finetune', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Trains a pre-trained encoder to tell classes of pictures or videos.\n\n'
        'Writes OUT/config.py, which amd-mm train goes through again, lists of what it\n'
        'trains on and validates with, and trains.',
        epilog='amd-mm finetune --data my_videos --from work/epoch_200.pth --out tuned')
    _add_data(parser, 'folder with a folder a class, or with such folders in train/ and val/; or '
              'a list of "path label" lines')
    parser.add_argument('--from', dest='checkpoint', metavar='CHECKPOINT', required=True,
                        help='what pre-training wrote, or an encoder of any layout')
    parser.add_argument('--val', metavar='LIST', help='list to validate with, beside a list as '
                        '--data (default: a part of it)')
    parser.add_argument('--val-part', type=number(float, above=0), default=.2, metavar='PART',
                        help='of every class, for validation, where the data is not split '
                        '(default: 0.2)')
    parser.add_argument('--classes', metavar='FILE', help='names of the labels of a list, one a '
                        'line (default: classes.txt beside it, else the folders of its files)')
    _add_shape(parser, "the checkpoint's, else the recipe's")
    _add_run(parser)
    return parser


# By the name of the sub-command, and of what does it: amd_mm.command.NAME.NAME.
PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = dict(
    pretrain=pretrain_parser, finetune=finetune_parser)


def _add_data(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument('--data', required=True, metavar='FOLDER|LIST', help=what)
    parser.add_argument('--out', required=True, metavar='FOLDER',
                        help='work dir: the config, logs and checkpoints go there')
    parser.add_argument('--modality', choices=('image', 'video'),
                        help='which files count in data of both kinds')


def _add_shape(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument('--size', type=_COUNT, metavar='PIXELS',
                        help=f'side of the input (default: {default})')
    parser.add_argument('--frames', type=_COUNT, help=f'of a clip (default: {default})')


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--epochs', type=_COUNT, help="(default: the recipe's; phases of the "
                        'schedule keep their share)')
    parser.add_argument('--batch', type=_COUNT, metavar='SAMPLES',
                        help="an update sees, over all processes; the recipe's learning rate goes "
                        "with it (default: the recipe's, less for few samples)")
    parser.add_argument('--processes', type=_COUNT,
                        help="(default: one an accelerator of this machine, else one)")
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, default={},
                        help='further settings of the config: key=value')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the newest checkpoint in OUT, if there is one')
    parser.add_argument('--overwrite', action='store_true',
                        help='start anew in a folder that holds a run')
    parser.add_argument('--config-only', action='store_true',
                        help='write the config, and do not train')
