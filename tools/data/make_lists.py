"""Writes lists as mmaction2 reads them (`path label`, or `folder frames label`), and class lists.

    python tools/data/make_lists.py folders data/own_videos/videos --out data/own_videos
    python tools/data/make_lists.py released train.csv --out data/kinetics400/train.txt
    python tools/data/make_lists.py ucf101 ucfTrainTestlist --out data/ucf101
    python tools/data/make_lists.py hmdb51 testTrainMulti_7030_splits --out data/hmdb51
    python tools/data/make_lists.py sthv2 labels.json train.json validation.json --out data/sthv2

Prints what it counted beside what was published. With --videos DIR every file must be there:
missing ones are counted and listed (all of them in OUT.missing.txt), and nothing is written
unless --allow-missing leaves them out.
"""
import argparse
import json
import random
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

# Importing amd_mm first mends the hosts.
from amd_mm.datasets.labels import class_folders, read_classes
from amd_mm.datasets.lists import read_list
from amd_mm.datasets.video_dataset import VIDEO_EXTENSIONS

# Samples by name of the list: what the data set's authors published.
PUBLISHED = {
    'ucf101_train_split_1': 9537, 'ucf101_val_split_1': 3783,
    'ucf101_train_split_2': 9586, 'ucf101_val_split_2': 3734,
    'ucf101_train_split_3': 9624, 'ucf101_val_split_3': 3696,
    **{f'hmdb51_train_split_{split}': 3570 for split in (1, 2, 3)},
    **{f'hmdb51_val_split_{split}': 1530 for split in (1, 2, 3)},
    'sthv2_train': 168913, 'sthv2_val': 24777,
    # Kinetics-400, arXiv 1705.06950; videos vanish, so lists in use are shorter.
    'kinetics400_train': 246245, 'kinetics400_val': 20000,
}
_SHOWN = 5


class Entry(NamedTuple):
    """One line: a path that starts from the folder of videos, perhaps a frame count, a label."""
    path: str
    label: int
    frames: int | None = None

    def __str__(self) -> str:
        fields = (self.path, self.frames, self.label)
        return ' '.join(str(field) for field in fields if field is not None)


def split_folders(root: Path, val: float, seed: int) -> tuple[tuple[str, ...], dict]:
    """Lists of a folder with one folder a class, split at random within every class.

    Raises:
        ValueError: For an empty class folder, or one with too few videos to split.
    """
    if not 0 < val < 1:
        raise ValueError(f'--val is the part for validation and must be in (0, 1), got {val}')
    classes = class_folders(str(root), VIDEO_EXTENSIONS)
    lists: dict[str, list[Entry]] = dict(train=[], val=[])
    for label, name in enumerate(classes):
        videos = sorted(path.relative_to(root).as_posix() for path in (root / name).rglob('*')
                        if path.suffix.lower() in VIDEO_EXTENSIONS)
        if len(videos) < 2:
            raise ValueError(f'{root / name}: a class must have at least 2 videos, one to train '
                             f'and one to validate with, found {len(videos)}')
        random.Random(f'{seed} {name}').shuffle(videos)
        count = min(max(round(val * len(videos)), 1), len(videos) - 1)
        lists['val'] += [Entry(video, label) for video in sorted(videos[:count])]
        lists['train'] += [Entry(video, label) for video in sorted(videos[count:])]
    return classes, lists


def read_released(path: Path, root: str, frames: bool, label_first: bool,
                  num_classes: int | None) -> list[Entry]:
    """A list of VideoMAE or AMD: `path label`, or `folder frames label`.

    Args:
        path: The list.
        root: What to take off the paths' beginning.
        frames: Whether the lines name folders of frames.
        label_first: Whether the label stands before the frame count, as the documentation of
            VideoMAE and AMD has it; their code reads the count first.
        num_classes: Bound of the labels; None leaves them unchecked.

    Raises:
        ValueError: For a line of another form, a label out of range, a path without the root.
    """
    form = ('folder label frames' if label_first else 'folder frames label') if frames else (
        'path label')
    entries = []
    for number, name, counts, labels in read_list(
            str(path), form, int(frames), True, False, None if label_first else num_classes):
        where = f'{path}:{number}'
        label, count = labels[0], counts[0] if frames else None
        if label_first:
            label, count = count, label
        if frames and count < 1:
            raise ValueError(f'{where}: a folder must have at least one frame, got {count}; '
                             'if it is the label, add or drop --label-first')
        if label < 0 or (num_classes is not None and label >= num_classes):
            raise ValueError(f'{where}: a label must be in [0, {num_classes}), got {label}')
        if not name.startswith(root):
            raise ValueError(f'{where}: a path must start with {root!r}, got {name!r}')
        entries.append(Entry(name[len(root):].lstrip('/'), label, count))
    return entries


def read_ucf101(folder: Path) -> tuple[tuple[str, ...], dict]:
    """UCF101's official split files (classInd.txt, trainlist01.txt, testlist01.txt, ...)."""
    numbered = read_classes(str(folder / 'classInd.txt'))
    classes = tuple(line.split()[1] for line in numbered)
    lists = {}
    for split in (1, 2, 3):
        for name, official in (('train', 'train'), ('val', 'test')):
            file = folder / f'{official}list{split:02}.txt'
            paths = [line.split()[0] for line in file.read_text().splitlines() if line.strip()]
            lists[f'ucf101_{name}_split_{split}'] = [
                Entry(path, _label(path.split('/')[0], classes, file)) for path in paths]
    return classes, lists


def read_hmdb51(folder: Path) -> tuple[tuple[str, ...], dict]:
    """HMDB51's official split files (CLASS_test_splitN.txt: 1 trains, 2 tests, 0 is unused)."""
    pattern = re.compile(r'(.+)_test_split([123])\.txt')
    files = {match.groups(): path for path in sorted(folder.iterdir())
             if (match := pattern.fullmatch(path.name))}
    classes = tuple(sorted({name for name, _ in files}))
    if not classes:
        raise ValueError(f'{folder}: must hold files CLASS_test_splitN.txt, found none')
    lists: dict[str, list[Entry]] = {}
    for split in '123':
        for label, name in enumerate(classes):
            if (name, split) not in files:
                raise ValueError(f'{folder}: every class must have three splits, but '
                                 f'{name}_test_split{split}.txt is missing')
            for line in files[name, split].read_text().splitlines():
                video, _, use = line.strip().rpartition(' ')
                if use in ('1', '2'):
                    part = {'1': 'train', '2': 'val'}[use]
                    lists.setdefault(f'hmdb51_{part}_split_{split}', []).append(
                        Entry(f'{name}/{video}', label))
    return classes, lists


def read_sthv2(labels: Path, train: Path, val: Path, suffix: str) -> tuple[tuple[str, ...], dict]:
    """Something-Something V2's JSON files; a template's brackets are not part of its class."""
    numbers = {name: int(number) for name, number in json.loads(labels.read_text()).items()}
    classes = tuple(sorted(numbers, key=numbers.get))
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise ValueError(f'{labels}: labels must be the numbers from 0 to {len(numbers) - 1}, each '
                         f'once, got {sorted(numbers.values())[:3]} ...')
    lists = {}
    for name, file in (('train', train), ('val', val)):
        lists[f'sthv2_{name}'] = [
            Entry(f'{item["id"]}{suffix}',
                  _label(item['template'].replace('[', '').replace(']', ''), classes, file))
            for item in json.loads(file.read_text())]
    return classes, lists


def _label(name: str, classes: tuple[str, ...], file: Path) -> int:
    if name not in classes:
        raise ValueError(f'{file}: {name!r} is not in the class list of {len(classes)} names; '
                         'the two files do not belong together')
    return classes.index(name)


def drop_missing(entries: list[Entry], videos: Path, listing: Path,
                 allow: bool) -> list[Entry]:
    """Compare a list with the disk.

    Raises:
        ValueError: If something is missing and that is not allowed.
    """
    missing = [entry for entry in entries if not (videos / entry.path).exists()]
    if not missing:
        return entries
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(''.join(f'{entry.path}\n' for entry in missing))
    found = (f'{len(missing)} of {len(entries)} files are missing in {videos}: '
             f'{", ".join(entry.path for entry in missing[:_SHOWN])}'
             f'{" ..." if len(missing) > _SHOWN else ""} (all of them in {listing})')
    if not allow:
        raise ValueError(f'{found}; get them, or leave them out with --allow-missing')
    if len(missing) == len(entries):
        raise ValueError(f'{found}; nothing is left, check --videos')
    print(f'{found}; left out')
    return [entry for entry in entries if (videos / entry.path).exists()]


def count_line(name: str, entries: list[Entry]) -> str:
    """What is in a list, beside what was published."""
    line = f'{name}: {len(entries)} samples, {len({entry.label for entry in entries})} classes'
    published = next((PUBLISHED[key] for key in PUBLISHED if key in name), None)
    if published is not None:
        apart = 'the same' if len(entries) == published else f'{len(entries) - published:+d}'
        line += f' (published: {published}; {apart})'
    return line


def write(path: Path, lines: Iterable[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{line}\n' for line in lines))


def parse_args(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest='kind', required=True)
    for kind, inputs in (('folders', ['root']), ('released', ['list']), ('ucf101', ['splits']),
                         ('hmdb51', ['splits']), ('sthv2', ['labels', 'train', 'val'])):
        sub = kinds.add_parser(kind)
        for name in inputs:
            sub.add_argument(name, type=Path)
        sub.add_argument('--out', type=Path, required=True,
                         help='the list to write' if kind == 'released' else 'folder for the lists')
        if kind != 'folders':
            sub.add_argument('--videos', type=Path, help='folder that paths start from, to check')
            sub.add_argument('--allow-missing', action='store_true')
        if kind == 'folders':
            sub.add_argument('--val', type=float, default=.2, help='part for validation')
            sub.add_argument('--seed', type=int, default=0)
        if kind == 'released':
            sub.add_argument('--strip', default='', help='take this off the paths')
            sub.add_argument('--frames', action='store_true', help='lines name folders of frames')
            sub.add_argument('--label-first', action='store_true',
                             help='the label stands before the frame count')
            sub.add_argument('--num-classes', type=int)
        if kind == 'sthv2':
            sub.add_argument('--suffix', default='.webm')
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    args = parse_args(arguments)
    classes: tuple[str, ...] = ()
    if args.kind == 'folders':
        classes, lists = split_folders(args.root, args.val, args.seed)
    elif args.kind == 'released':
        if args.label_first and not args.frames:
            raise ValueError('--label-first is about lists of frames; add --frames')
        lists = {args.out.stem: read_released(
            args.list, args.strip, args.frames, args.label_first, args.num_classes)}
    elif args.kind == 'sthv2':
        classes, lists = read_sthv2(args.labels, args.train, args.val, args.suffix)
    else:
        classes, lists = dict(ucf101=read_ucf101, hmdb51=read_hmdb51)[args.kind](args.splits)
    names = {'folders': '{}.txt', 'sthv2': '{}_list_videos.txt'}
    paths = {name: args.out if args.kind == 'released' else
             args.out / names.get(args.kind, '{}_videos.txt').format(name) for name in lists}
    if args.kind != 'folders' and args.videos:
        lists = {name: drop_missing(entries, args.videos, paths[name].with_suffix('.missing.txt'),
                                    args.allow_missing) for name, entries in lists.items()}
    for name, entries in lists.items():
        write(paths[name], entries)
        print(count_line(name, entries), f'-> {paths[name]}')
    if classes:
        write(args.out / 'classes.txt', classes)
        print(f'{len(classes)} classes -> {args.out / "classes.txt"}')


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(str(error))
