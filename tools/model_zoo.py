"""Lists published teachers, and says what a checkpoint file is and whether it fits a config.

Example:
    python tools/model_zoo.py list
    python tools/model_zoo.py check FILE
    python tools/model_zoo.py check FILE --config configs/amd/CONFIG.py
"""
import argparse
import sys

from mmengine.config import Config

from amd_mm.checkpoints import load_encoder, read_checkpoint
from amd_mm.checkpoints.facts import list_facts
from amd_mm.checkpoints.matching import show
from amd_mm.export.convert import describe
from amd_mm.export.zoo import ZOO, identify, resembling
from amd_mm.failures import command
from amd_mm.registry import MODELS


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('list', help='published checkpoints')
    check = commands.add_parser('check', help='what a file is')
    check.add_argument('file', help='checkpoint file or Transformers folder')
    check.add_argument('--config', help='does it fit the teacher (else the backbone) of this?')
    check.add_argument('--trust', action='store_true',
                       help='unpickle arbitrary classes: runs code from the file')
    return parser.parse_args()


def list_published() -> None:
    for entry in ZOO:
        clip = '' if entry.modality == 'image' else (
            f', {entry.frames} frames, tubelet {entry.tubelet}')
        decoder = {True: 'decoder inside', False: 'no decoder inside',
                   None: 'whether a decoder is inside is not stated'}[entry.has_decoder]
        print(f'{entry.name}\n    {entry.modality}, width {entry.width}, depth {entry.depth}, '
              f'patch {entry.patch}{clip}; layout {entry.layout or "not stated"}\n'
              f'    {decoder}; trained on {entry.target}\n'
              f'    {entry.source}')
        if entry.used_by:
            print(f'    teacher of {entry.used_by}')


def check(file: str, config: str | None, trust: bool) -> None:
    match, net = identify(read_checkpoint(file, trust))
    parts = sorted({name.split('.')[0] for name in match.sources})
    print(f'{file}: {describe(net)}; layout {match.layout.label}; holds {", ".join(parts)}')
    print(f'what no tensor holds: {"; ".join(list_facts(net)) or "the file says nothing"}')
    if match.unexplained:
        print(f'{len(match.unexplained)} keys are unknown: {show(match.unexplained)}')
    names = [entry.name for entry in resembling(match, net)]
    if not names:
        print('looks like none of the published checkpoints (see list)')
    elif len(names) == 1:
        print(f'looks like {names[0]}')
    else:
        print(f'looks like one of {", ".join(names)}: their weights have the same shapes')
    if config is not None:
        model = Config.fromfile(config).model
        who = 'teacher' if 'teacher' in model else 'model'
        backbone = MODELS.build((model.teacher if who == 'teacher' else model).backbone)
        if who == 'teacher':
            backbone.drop_final_norm()
        load_encoder(backbone, file, trust=trust)
        print(f'fits the backbone of the {who} in {config}')


@command
def main() -> None:
    args = parse_args()
    if args.command == 'list':
        list_published()
    else:
        check(args.file, args.config, args.trust)


if __name__ == '__main__':
    sys.exit(main())
