"""Writes lists as mmaction2 reads them (`path label`, or `folder frames label`), and class lists.

    python tools/data/make_lists.py folders data/own_videos/videos --out data/own_videos
    python tools/data/make_lists.py released train.csv --out data/kinetics400/train.txt
    python tools/data/make_lists.py ucf101 ucfTrainTestlist --out data/ucf101
    python tools/data/make_lists.py hmdb51 testTrainMulti_7030_splits --out data/hmdb51
    python tools/data/make_lists.py sthv2 labels.json train.json validation.json --out data/sthv2

Prints what it counted beside what was published. Folders are searched with links followed and
hidden files left out, and one line says what was left out and why. With --videos DIR every file
must be there: missing ones are counted and listed (all of them in OUT.missing.txt), and nothing is
written unless --allow-missing leaves them out.

With --check every video is opened and its first and last frame are decoded, by several processes.
Those that cannot be read are left out and listed in OUT.broken.txt, those of fewer than
--min-frames frames in OUT.short.txt (broken.txt and short.txt beside the lists of folders), a line
of name, tab, what is the matter.
"""
import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.utils import track_iter_progress

# Importing amd_mm first mends the hosts.
from amd_mm.datasets.files import VIDEOS, class_folders, printable
from amd_mm.datasets.labels import read_classes
from amd_mm.datasets.lists import ListForm, list_field, read_list
from amd_mm.datasets.split import split_classes
from amd_mm.datasets.text_files import read_text
from amd_mm.datasets.video_check import check_videos
from amd_mm.failures import command

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
        fields = (list_field(self.path), self.frames, self.label)
        return ' '.join(str(field) for field in fields if field is not None)


def split_folders(root: Path, val: float, seed: int,
                  keep: Callable[[list[str]], list[str]]) -> tuple[tuple[str, ...], dict]:
    """Lists of a folder with one folder a class, split at random within every class.

    Args:
        root: The folder.
        val: Part for validation, in (0, 1).
        seed: Of the split.
        keep: Which of the videos to take.

    Raises:
        ValueError: For a part that is none, an empty class folder, or one with too few videos.
    """
    classes, files, found = class_folders(root, VIDEOS)
    print(found)
    kept = set(keep([name for name, _ in files]))
    lists = split_classes([file for file in files if file[0] in kept], classes, val, seed)
    return classes, {name: [Entry(*file) for file in files] for name, files in lists.items()}


def read_released(path: Path, root: str | None, frames: bool, label_first: bool,
                  num_classes: int | None) -> list[Entry]:
    """A list of VideoMAE or AMD: `path label`, or `folder frames label`.

    Args:
        path: The list.
        root: The folder to take off the paths' beginning. None: paths must not begin with a
            slash, since it is not known from where they are to start.
        frames: Whether the lines name folders of frames.
        label_first: Whether the label stands before the frame count, as the documentation of
            VideoMAE and AMD has it; their code reads the count first.
        num_classes: Bound of the labels; None leaves them unchecked.

    Raises:
        ValueError: For a line of another form, a label out of range, a path without the root.
    """
    names = ('label', 'frames') if label_first else ('frames', 'label')
    form = ListForm(
        None if frames else VIDEOS, names[:1] if frames else (), 'needed',
        num_classes=None if label_first else num_classes,
        label_name=names[1] if frames else 'label')
    entries = []
    for number, name, counts, labels in read_list(str(path), form):
        where = f'{printable(path)}:{number}'
        label, count = labels[0], counts[0] if frames else None
        if label_first:
            label, count = count, label
        if frames and count < 1:
            raise ValueError(f'{where}: a folder must have at least one frame, got {count}; '
                             'if it is the label, add or drop --label-first')
        if label < 0 or (num_classes is not None and label >= num_classes):
            raise ValueError(f'{where}: a label must be in [0, {num_classes}), got {label}')
        entries.append(Entry(_below(name, root, where), label, count))
    return entries


def _below(name: str, root: str | None, where: str) -> str:
    """A path from the root on."""
    if root is None:
        if name.startswith('/'):
            raise ValueError(
                f'{where}: a path must start from the folder of videos, got "{printable(name)}"; '
                'take its beginning off with --strip FOLDER, or keep it whole with --strip ""')
        return name
    start = root if root.endswith('/') or not root else f'{root}/'
    if not name.startswith(start) or name == start:
        raise ValueError(f'{where}: a path must start with {root!r}, got {printable(name)!r}')
    return name[len(start):]


def read_ucf101(folder: Path) -> tuple[tuple[str, ...], dict]:
    """UCF101's official split files (classInd.txt, trainlist01.txt, testlist01.txt, ...)."""
    numbered = read_classes(str(folder / 'classInd.txt'))
    classes = tuple(line.split()[1] for line in numbered)
    lists = {}
    for split in (1, 2, 3):
        for name, official in (('train', 'train'), ('val', 'test')):
            file = folder / f'{official}list{split:02}.txt'
            paths = [line.split()[0] for line in read_text(str(file)).splitlines() if line.strip()]
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
            for line in read_text(str(files[name, split])).splitlines():
                video, _, use = line.strip().rpartition(' ')
                if use in ('1', '2'):
                    part = {'1': 'train', '2': 'val'}[use]
                    lists.setdefault(f'hmdb51_{part}_split_{split}', []).append(
                        Entry(f'{name}/{video}', label))
    return classes, lists


def read_sthv2(labels: Path, train: Path, val: Path, suffix: str) -> tuple[tuple[str, ...], dict]:
    """Something-Something V2's JSON files; a template's brackets are not part of its class."""
    numbers = {name: int(number) for name, number in _json(labels).items()}
    classes = tuple(sorted(numbers, key=numbers.get))
    if sorted(numbers.values()) != list(range(len(numbers))):
        raise ValueError(f'{labels}: labels must be the numbers from 0 to {len(numbers) - 1}, each '
                         f'once, got {sorted(numbers.values())[:3]} ...')
    lists = {}
    for name, file in (('train', train), ('val', val)):
        lists[f'sthv2_{name}'] = [
            Entry(f'{item["id"]}{suffix}',
                  _label(item['template'].replace('[', '').replace(']', ''), classes, file))
            for item in _json(file)]
    return classes, lists


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(str(path)))
    except json.JSONDecodeError as error:
        raise ValueError(f'{printable(path)}:{error.lineno}: must be JSON, but is not: '
                         f'{error.msg}') from error


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
    write(listing, (list_field(entry.path) for entry in missing))
    found = (f'{len(missing)} of {len(entries)} files are missing in {printable(videos)}: '
             f'{", ".join(printable(entry.path) for entry in missing[:_SHOWN])}'
             f'{" ..." if len(missing) > _SHOWN else ""} (all of them in {printable(listing)})')
    if not allow:
        raise ValueError(f'{found}; get them, or leave them out with --allow-missing')
    if len(missing) == len(entries):
        raise ValueError(f'{found}; nothing is left, check --videos')
    print(f'{found}; left out')
    return [entry for entry in entries if (videos / entry.path).exists()]


def keep_readable(names: list[str], videos: Path, listings: dict[str, Path],
                  args: argparse.Namespace) -> list[str]:
    """Open every video; list the broken and the short ones, each apart.

    Args:
        names: Of the videos.
        videos: Folder that they start from.
        listings: Where to list what is `broken`, and what is `short`.
        args: Of the command line.

    Returns:
        The names of the others.

    Raises:
        ValueError: If nothing is left.
    """
    checked = check_videos([str(videos / name) for name in names], args.min_frames, args.workers,
                           args.time_limit)
    found = dict(zip(names, track_iter_progress((checked, len(names)), file=sys.stderr),
                     strict=True))
    print(file=sys.stderr)
    for kind, listing in listings.items():
        bad = [f'{printable(name)}\t{verdict.reason}' for name, verdict in found.items()
               if verdict.kind == kind]
        listing.unlink(missing_ok=True)
        if bad:
            write(listing, bad)
            print(f'{len(bad)} of {len(names)} videos are {kind}; left out -> {printable(listing)}')
    good = [name for name, verdict in found.items() if verdict.kind == 'good']
    if not good:
        raise ValueError(f'{printable(videos)}: no video is left of {len(names)}; see '
                         f'{", ".join(str(listing) for listing in listings.values())}')
    return good


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
    path.write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')


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
            sub.add_argument('--strip', metavar='FOLDER',
                             help='take this folder off the paths; "" keeps absolute ones')
            sub.add_argument('--frames', action='store_true', help='lines name folders of frames')
            sub.add_argument('--label-first', action='store_true',
                             help='the label stands before the frame count')
            sub.add_argument('--num-classes', type=int)
        if kind == 'sthv2':
            sub.add_argument('--suffix', default='.webm')
        sub.add_argument('--check', action='store_true', help='open every video')
        sub.add_argument('--min-frames', type=int, default=16, metavar='N',
                         help='a video of fewer is short (default: 16, the frames of a clip)')
        sub.add_argument('--workers', type=int, default=os.cpu_count() or 1,
                         help='processes that open videos (default: one a core)')
        sub.add_argument('--time-limit', type=float, default=60., metavar='SECONDS',
                         help='that opening one video may take (default: 60)')
    args = parser.parse_args(arguments)
    if args.check and args.kind != 'folders' and not args.videos:
        parser.error('--check needs to know where the videos are; add --videos DIR')
    if args.check and args.kind == 'released' and args.frames:
        parser.error('--check opens videos; frames are counted by amd_mm.RawframeDataset')
    for name, least in (('min_frames', 1), ('workers', 0), ('time_limit', 1)):
        if getattr(args, name) < least:
            parser.error(f'--{name.replace("_", "-")} must be at least {least}, got '
                         f'{getattr(args, name)}')
    return args


def main(arguments: list[str]) -> None:
    args = parse_args(arguments)
    classes: tuple[str, ...] = ()
    if args.kind == 'folders':
        def keep(names: list[str]) -> list[str]:
            listings = {kind: args.out / f'{kind}.txt' for kind in ('broken', 'short')}
            return keep_readable(names, args.root, listings, args) if args.check else names

        classes, lists = split_folders(args.root, args.val, args.seed, keep)
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
    if args.check and args.kind != 'folders':
        for name, entries in lists.items():
            good = set(keep_readable(
                [entry.path for entry in entries], args.videos,
                {kind: paths[name].with_suffix(f'.{kind}.txt') for kind in ('broken', 'short')},
                args))
            lists[name] = [entry for entry in entries if entry.path in good]
    for name, entries in lists.items():
        write(paths[name], entries)
        print(count_line(name, entries), f'-> {printable(paths[name])}')
    if classes:
        write(args.out / 'classes.txt', map(printable, classes))
        print(f'{len(classes)} classes -> {printable(args.out / "classes.txt")}')


if __name__ == '__main__':
    sys.exit(command(main)(sys.argv[1:]))
