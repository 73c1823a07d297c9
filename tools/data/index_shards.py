"""Makes a list of the samples in tar shards (WebDataset's form), which are then read by offset.

    python tools/data/index_shards.py data/shards --out data/train.txt
    python tools/data/index_shards.py 'data/train-*.tar' 'data/extra-*.tar' --out data/train.txt

A line of the list is ``shard-000017.tar#offset+size label``, for `ann_file` of
amd_mm.VideoDataset and amd_mm.PictureDataset; `data_prefix` is the folder of the shards. The label
is what `key.cls` beside `key.jpg` holds; without such members lines have none. Nothing is unpacked.

LIST.shards beside the list shows a data set that a shard changed. Shards that are compressed, cut
off or hold a name outside of their folder are refused. What was indexed when the tool was stopped,
kept in LIST.part, is not read again.
"""
import argparse
import glob
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from amd_mm.arguments import number, parse_first
from amd_mm.failures import command


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('shards', nargs='+', help='tars, folders of tars, patterns, or addresses')
    parser.add_argument('--out', type=Path, required=True, metavar='LIST', help='list to write')
    parser.add_argument('--kind', choices=('pictures', 'videos'), default='pictures',
                        help='of the samples')
    parser.add_argument('--suffix', default='', help='take only members such as key.SUFFIX')
    parser.add_argument('--root', help='folder that paths in the list start from (default: that '
                        'of the shards)')
    parser.add_argument('--workers', type=number(least=1), default=os.cpu_count() or 1,
                        help='processes that read (default: one a core)')
    return parser.parse_args(arguments)


parse_first(__name__, parse_args)

from mmengine.utils import track_iter_progress

from amd_mm.datasets.files import PICTURES, VIDEOS, few, printable
from amd_mm.datasets.lists import list_field
from amd_mm.datasets.shards import Entry, Shard, fingerprint, index_shard, write_fingerprints

KINDS = dict(pictures=PICTURES, videos=VIDEOS)


def find_shards(names: list[str]) -> list[str]:
    """Folders and patterns as the tars that they hold, sorted."""
    found: set[str] = set()
    for name in names:
        pattern = os.path.join(glob.escape(name), '*.tar') if os.path.isdir(name) else name
        matches = [name] if '://' in name or os.path.isfile(name) else glob.glob(pattern)
        if not matches:
            raise ValueError(f'{printable(name)}: there must be at least one shard (.tar), found '
                             'none; name tars, folders of them or patterns in quotes')
        found.update(matches)
    strange = sorted(name for name in found if not name.endswith('.tar'))
    if strange:
        raise ValueError(f'a shard must be a plain tar whose name ends in .tar, got '
                         f'{few(strange)}; unpack a compressed one to a plain tar')
    return sorted(found)


def start_of(shards: list[str], root: str | None) -> str:
    """What is taken off the names of all shards."""
    folders = sorted({name.rpartition('/')[0] for name in shards})
    if root is None and len(folders) > 1:
        raise ValueError(f'shards lie in {len(folders)} folders, {few(folders)}; give --root, the '
                         'folder that their paths in the list start from')
    start = folders[0] if root is None else root.rstrip('/')
    start = f'{start}/' if start else ''
    outside = [name for name in shards if not name.startswith(start)]
    if outside:
        raise ValueError(f'--root must be above all shards, got {printable(start)} and '
                         f'{few(outside)}')
    return start


def read_part(path: Path) -> dict[str, Shard]:
    """What an earlier start has indexed; its last line may be half of one."""
    done: dict[str, Shard] = {}
    if path.exists():
        for line in path.read_text(encoding='utf-8').split('\n')[:-1]:
            name, mark, entries, left_out = json.loads(line)
            done[name] = Shard(mark, [Entry(*entry) for entry in entries], left_out)
    return done


@command
def main(arguments: list[str] | None = None) -> None:
    args = parse_args(arguments)
    shards = find_shards(args.shards)
    start = start_of(shards, args.root)
    part = args.out.with_name(f'{args.out.name}.part')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    done = read_part(part)
    # A shard that changed since is read again.
    done = {name: shard for name, shard in done.items()
            if name in set(shards) and fingerprint(name) == shard.fingerprint}
    missing = [name for name in shards if name not in done]
    take = partial(index_shard, kind=KINDS[args.kind], suffix=args.suffix)
    with part.open('w', encoding='utf-8') as kept, ProcessPoolExecutor(args.workers) as pool:
        for name, shard in done.items():
            kept.write(f'{json.dumps([name, *shard])}\n')
        found = pool.map(take, missing)
        try:
            for name, shard in zip(missing, track_iter_progress(
                    (found, len(missing)), file=sys.stderr) if missing else (), strict=True):
                kept.write(f'{json.dumps([name, *shard])}\n')
                kept.flush()
                done[name] = shard
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    write_list(args.out, start, {name: done[name] for name in shards}, args.kind)
    part.unlink()


def write_list(out: Path, start: str, shards: dict[str, Shard], kind: str) -> None:
    """Write list and fingerprints, whole or not at all, and say what is in them."""
    labels = {entry.label for shard in shards.values() for entry in shard.entries}
    count = sum(len(shard.entries) for shard in shards.values())
    if not count:
        raise ValueError(f'shards must hold {kind}, but {len(shards)} hold none; --kind and '
                         '--suffix say which members are taken')
    if None in labels and len(labels) > 1:
        bare = [name for name, shard in shards.items()
                if any(entry.label is None for entry in shard.entries)]
        raise ValueError(f'all shards must have labels (key.cls) or none, but {len(bare)} of '
                         f'{len(shards)} have none: {few(bare)}')
    temporary = out.with_name(f'{out.name}.new')
    with temporary.open('w', encoding='utf-8') as file:
        for name, shard in shards.items():
            for entry in shard.entries:
                path = list_field(f'{name.removeprefix(start)}#{entry.offset}+{entry.size}')
                file.write(f'{path}\n' if entry.label is None else f'{path} {entry.label}\n')
    write_fingerprints(out, ((name.removeprefix(start), shard.fingerprint)
                             for name, shard in shards.items()))
    temporary.replace(out)
    left_out = sum(shard.left_out for shard in shards.values())
    classes = '' if None in labels else f', {len(labels)} classes'
    print(f'\n{len(shards)} shards: {count} {kind}{classes} -> {printable(out)}; '
          f'{left_out} other members left out; data_prefix: {printable(start or ".")}')


if __name__ == '__main__':
    sys.exit(main())
