"""Lists and gets published teachers, says what a file is and whether it fits a config.

Listed are encoders of our own layouts (amd_mm.FrozenTeacher) and foundation encoders that a library
builds (amd_mm.TimmTeacher, amd_mm.TransformersTeacher), with the licence that their authors'
repository states. `get` downloads what an address serves and looks whether it is the network of
that name; of all others, which are behind forms, licences and drives, it says the steps and what to
save the file as, and ends with status 2.

Example:
    python tools/model_zoo.py list
    python tools/model_zoo.py get mae-large
    python tools/model_zoo.py check FILE
    python tools/model_zoo.py check FILE --config configs/amd/CONFIG.py
"""
import argparse
import sys
from pathlib import Path

from amd_mm.arguments import parse_first
from amd_mm.failures import USER_ERROR, command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('list', help='published checkpoints')
    get = commands.add_parser('get', help='a file of the list, or how to come by it')
    get.add_argument('name', metavar='NAME', help='as in the list')
    get.add_argument('--out', type=Path, metavar='FILE', help='default: models/NAME.pth')
    get.add_argument('--force', action='store_true', help='replace FILE')
    check = commands.add_parser('check', help='what a file is')
    check.add_argument('file', help='checkpoint file or Transformers folder')
    check.add_argument('--config', help='does it fit the teacher (else the backbone) of this?')
    check.add_argument('--teacher', metavar='NAME', help='of several teachers of the config, this')
    check.add_argument('--trust', action='store_true',
                       help='unpickle arbitrary classes: runs code from the file')
    return parser.parse_args()


parse_first(__name__, parse_args)

from mmengine.config import Config, ConfigDict

from amd_mm.checkpoints import fill_encoder, read_checkpoint
from amd_mm.checkpoints.architecture import Architecture
from amd_mm.checkpoints.facts import list_facts, show_fact
from amd_mm.checkpoints.matching import Match, show
from amd_mm.export.convert import describe
from amd_mm.export.foundation import FOUNDATION, Foundation, foundations_like
from amd_mm.export.getting import download, find_published, require_like, way_to
from amd_mm.export.zoo import ZOO, Published, identify, resembling
from amd_mm.registry import MODELS


def list_published() -> None:
    for entry in ZOO:
        clip = '' if entry.modality == 'image' else (
            f', {entry.frames} frames, tubelet {entry.tubelet}')
        decoder = {True: 'decoder inside', False: 'no decoder inside',
                   None: 'whether a decoder is inside is not stated'}[entry.has_decoder]
        print(f'{entry.name}\n    {entry.modality}, width {entry.width}, depth {entry.depth}, '
              f'patch {entry.patch}{clip}; layout {entry.layout or "not stated"}\n'
              f'    {decoder}; trained on {entry.target}\n'
              f'    {entry.source}; licence {entry.licence}')
        if entry.used_by:
            print(f'    teacher of {entry.used_by}')
    for foundation in FOUNDATION:
        list_foundation(foundation)


    print('None of them at hand? docs/checkpoints.md says how to make one.')


def list_foundation(entry: Foundation) -> None:
    kind = 'image' if entry.tubelet == 1 else f'video, tubelet {entry.tubelet}'
    mean, std = entry.statistics
    readers = [f'amd_mm.TimmTeacher, architecture {entry.architecture} '
               f'(on the hub: {entry.hub})'] if entry.timm else []
    if entry.folder:
        readers.append(f'amd_mm.TransformersTeacher, folder (on the hub: {entry.folder})')
    print(f'{entry.name}\n    {kind}, width {entry.width}, depth {entry.depth}, patch '
          f'{entry.patch}, {"a" if entry.class_token else "no"} class token, {entry.registers} '
          f'register tokens, built for {entry.size} pixels\n'
          f'    pixels (0-255): mean {show_fact(mean)}; deviation {show_fact(std)}')
    for reader in readers:
        print(f'    read by {reader}')
    print(f'    {entry.source}; licence {entry.licence}')


def get(name: str, out: Path | None, force: bool) -> int:
    """Return 0 if the file is there, else 2."""
    entry = find_published(name)
    way = way_to(entry, out)
    print(f'licence: {entry.licence}')
    if way.address is not None and (force or not way.out.exists()):
        print(f'{way.address} -> {way.out}')
        download(entry, way)
    elif not way.out.exists():
        print('\n'.join(f'{number}. {step}' for number, step in enumerate(way.steps, 1)))
    if not way.out.exists():
        return USER_ERROR
    if isinstance(entry, Published):
        require_like(entry, way.out, way.out)
    print(f'{way.out} is there: --cfg-options model.teacher.checkpoint={way.out}')
    return 0


def read_model(config: str, name: str | None) -> ConfigDict:
    """The model of a config, with one of its teachers where it has several."""
    model = Config.fromfile(config).model
    if isinstance(model.get('teacher'), list):
        teachers = {one.name: one.teacher for one in model.teacher}
        if name not in teachers:
            raise ValueError(f'--teacher must be one of {", ".join(teachers)}, which {config} has, '
                             f'got {name}')
        model.teacher = teachers[name]
    return model


def check(file: str, config: str | None, name: str | None, trust: bool) -> None:
    checkpoint = read_checkpoint(file, trust)
    foundations = foundations_like(checkpoint.state_dict)
    try:
        match, net = identify(checkpoint)
    except ValueError:
        if not foundations:
            raise
        match = None
    if foundations and (match is None or match.unexplained):
        check_foundation(file, foundations, config, name)
    else:
        check_own(file, match, net, config, name, trust)


def check_foundation(file: str, found: list[Foundation], config: str | None,
                     name: str | None) -> None:
    print(f'{file}: looks like {" or ".join(entry.name for entry in found)}'
          f'{": their weights have the same shapes" if len(found) > 1 else ""}')
    for architecture in dict.fromkeys(entry.architecture for entry in found if entry.timm):
        print(f'as a file or folder of timm: amd_mm.TimmTeacher, architecture {architecture}')
    if any(entry.folder for entry in found):
        print('as a folder of Transformers: amd_mm.TransformersTeacher')
    if config is not None:
        model = read_model(config, name)
        grid = MODELS.build(model.backbone).grid
        MODELS.build(dict(model.teacher, checkpoint=file, student_grid=grid))
        print(f'fits the teacher in {config}')


def check_own(file: str, match: Match, net: Architecture, config: str | None, name: str | None,
              trust: bool) -> None:
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
        model = read_model(config, name)
        who = 'teacher' if 'teacher' in model else 'model'
        backbone = MODELS.build((model.teacher if who == 'teacher' else model).backbone)
        if who == 'teacher':
            backbone.drop_final_norm()
        fill_encoder(backbone, file, trust=trust)
        print(f'fits the backbone of the {who} in {config}')


@command
def main() -> int:
    args = parse_args()
    if args.command == 'list':
        list_published()
    elif args.command == 'get':
        return get(args.name, args.out, args.force)
    else:
        check(args.file, args.config, args.teacher, args.trust)
    return 0


if __name__ == '__main__':
    sys.exit(main())
