"""Re-encodes a tree of videos so that a clip at a random place is decoded fast.

    python tools/data/prepare_videos.py data/kinetics400/videos data/kinetics400/videos_256

Every video below SRC comes out as H.264 in an MP4 container, with the same frames at the same
times (counted from 0) at a smaller size: a key frame every 16 frames, so that little before a
clip must be decoded; between them three B frames, which no other frame refers to, after each P
frame, so that a decoder may leave out frames it does not need; no arithmetic coding or deblocking
(x264's fastdecode). Rotation in the metadata is applied, colour tags are kept, sound is dropped.

Names stay as they are, so that lists of SRC are right for DST: clip.avi is still clip.avi,
although its content is an MP4. Decoders (FFmpeg, PyAV, decord, OpenCV) go by the content. Files
that are no videos (lists, labels, annotations) are copied, hidden ones left out, links followed.

In DST besides:

    prepared.tsv    path, bytes before and after, frames, width, height, PSNR of a video a line
    failed.txt      path TAB reason: they are missing in DST, and the next run tries them again
    prepared.json   the settings; a run with others is refused

A run that was stopped, however, goes on where it was when it is started again. A file that cannot
be decoded to its end, or kills its decoder, is one of failed.txt and stops nothing else.

PSNR is that of luma, all frames of a video together, against the frames that were encoded (scaled
already). Exit status: 0; 1 or 2 for a wrong call; 3 if a file failed; 130 when interrupted.
"""
import argparse
import csv
import fcntl
import filecmp
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from statistics import median

from video_encoding import PRESETS, Settings, encode_all

from amd_mm.failures import command

TABLE, FAILED, SETTINGS = 'prepared.tsv', 'failed.txt', 'prepared.json'
# Names of files need not be valid UTF-8, and the locale need not be UTF-8.
_TEXT = dict(newline='', encoding='utf-8', errors='surrogateescape')
_REPORT_SECONDS = 10


@dataclass(frozen=True)
class Row:
    """A line of the table; ``psnr`` in dB, infinite where nothing was lost."""
    path: str
    bytes_before: int
    bytes_after: int
    frames: int
    width: int
    height: int
    psnr: float

    def cells(self) -> list[object]:
        return [*astuple(self)[:-1], f'{self.psnr:.3f}']


def find_files(source: Path, target: Path) -> tuple[list[str], list[str]]:
    """Videos and other files below a folder, as sorted relative paths; hidden ones left out.

    Links to nothing are among them, so that they are listed as failures.

    Raises:
        ValueError: For links in a circle or to where this writes, or a folder without videos.
    """
    # The hosts behind it take seconds to import, which the encoding processes need not wait for.
    from amd_mm.datasets.files import BROKEN_LINKS, LINK_LOOPS, OTHER_KINDS, VIDEOS, walk
    found = walk(source, VIDEOS)
    print(found)
    broken = found.left_out.get(BROKEN_LINKS, [])
    videos = sorted([*found.files, *filter(VIDEOS.has, broken)])
    others = sorted([*found.left_out.get(OTHER_KINDS, []), *(set(broken) - set(videos))])
    back = [source / name for name in found.left_out.get(LINK_LOOPS, [])]
    for folder in [*back, *{(source / name).parent for name in (*videos, *others)}]:
        real = folder.resolve()
        if folder in back or real == target or target in real.parents:
            raise ValueError(f'{folder}: a link must not lead to a folder above it or to DST, got '
                             f'{real}; remove it')
    if not videos:
        raise ValueError(f'{source}: SRC must hold at least one file ending in '
                         f'{", ".join(VIDEOS.suffixes)}, found none')
    return videos, others


def check_folders(source: Path, target: Path) -> None:
    """Refuse folders that a run could damage.

    Raises:
        ValueError: If one holds the other, SRC is a result, or DST is in other use.
    """
    if not source.is_dir():
        raise ValueError(f'SRC must be a folder, got {source}')
    real, other = source.resolve(), target.resolve()
    if real == other or real in other.parents or other in real.parents:
        raise ValueError(f'neither of SRC and DST may lie in the other, got {source} and {target}; '
                         'give another DST')
    for name in (TABLE, FAILED, SETTINGS):
        if (source / name).exists():
            raise ValueError(f'{source}: SRC must not hold {name}, which this writes into DST; '
                             'prepare the original videos, or rename the file')
    if target.exists() and not target.is_dir():
        raise ValueError(f'DST must be a folder, got {target}')
    if target.is_dir() and any(target.iterdir()) and not (target / SETTINGS).exists():
        raise ValueError(f'{target}: DST must be new, empty, or from this tool, but holds files '
                         f'and no {SETTINGS}; give another DST')


@contextmanager
def claim(target: Path, settings: Settings) -> Iterator[None]:
    """Write the settings into DST, or compare with those there, and keep other runs out.

    Raises:
        ValueError: For other settings, or while another run is at it.
    """
    target.mkdir(parents=True, exist_ok=True)
    wanted = asdict(settings) | settings.options()
    with (target / SETTINGS).open('a+') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f'{target}: only one run at a time may write to DST, but another '
                             'does; wait for it, or end it') from None
        except OSError:
            pass  # Some network file systems have no locks.
        file.seek(0)
        there = json.loads(file.read() or 'null')
        if there is None:
            json.dump(wanted, file, indent=2)
            file.flush()
            there = wanted
        changed = [f'{key} {there.get(key)!r}, now {wanted.get(key)!r}'
                   for key in sorted(there | wanted) if there.get(key) != wanted.get(key)]
        if changed:
            raise ValueError(f'{target}: one DST must have one group of settings, but was begun '
                             f'with {"; ".join(changed)}; give the same or another DST')
        yield


def read_table(path: Path) -> dict[str, Row]:
    """Rows by path; a line that was cut off when a run was killed is left out."""
    if not path.exists():
        return {}
    rows = {}
    with path.open(**_TEXT) as file:
        for values in csv.reader(file, 'excel-tab'):
            try:
                row = Row(values[0], *map(int, values[1:6]), float(values[6]))
            except (IndexError, ValueError):
                continue
            rows[row.path] = row
    return rows


def write_table(path: Path, rows: Iterable[Row]) -> None:
    """The whole table at once, sorted."""
    part = path.with_name(f'.{path.name}.part')
    with part.open('w', **_TEXT) as file:
        lines = csv.writer(file, 'excel-tab', lineterminator='\n')
        lines.writerow(field.name for field in fields(Row))
        lines.writerows(row.cells() for row in sorted(rows, key=lambda row: row.path))
    os.replace(part, path)


def is_finished(row: Row, source: Path, target: Path) -> bool:
    """Whether a file in DST is what the table says, made from what is in SRC."""
    return (source.is_file() and source.stat().st_size == row.bytes_before
            and target.is_file() and target.stat().st_size == row.bytes_after)


def part_of(path: Path) -> Path:
    """Where a file is while it is not finished: hidden, and no video by its name."""
    return path.with_name(f'.{path.name}.part')


def copy_others(names: Iterable[str], source: Path, target: Path) -> Iterator[tuple[str, str]]:
    """Copy what is new; yield name and reason of what could not be."""
    for name in names:
        old, new = source / name, target / name
        try:
            new.parent.mkdir(parents=True, exist_ok=True)
            if not new.exists() or not filecmp.cmp(old, new):
                shutil.copy2(old, part_of(new))
                os.replace(part_of(new), new)
        except OSError as error:
            yield name, str(error)


def summarize(rows: list[Row]) -> str:
    """What the prepared videos cost."""
    if not rows:
        return 'no video prepared'
    before, after = sum(row.bytes_before for row in rows), sum(row.bytes_after for row in rows)
    psnr = [row.psnr for row in rows]
    return (f'{len(rows)} videos, {sum(row.frames for row in rows)} frames: '
            f'{before / 1e6:.3f} MB before, {after / 1e6:.3f} MB after '
            f'({after / before - 1:+.0%}); PSNR of luma: median {median(psnr):.2f} dB, '
            f'lowest {min(psnr):.2f} dB')


class Report:
    """The table and the list of failures, a line as each file ends, and what is printed."""

    def __init__(self, target: Path, videos: int) -> None:
        self.videos, self.done, self.failures = videos, 0, 0
        self.begin = self.printed = time.monotonic()
        self.files = {name: (target / name).open(mode, **_TEXT)
                      for name, mode in ((TABLE, 'a'), (FAILED, 'w'))}

    def write(self, name: str, cells: list[object]) -> None:
        csv.writer(self.files[name], 'excel-tab', lineterminator='\n').writerow(cells)
        self.files[name].flush()

    def fail(self, name: str, reason: str) -> None:
        from amd_mm.datasets.files import printable
        self.failures += 1
        name, reason = printable(name), ' '.join(reason.split())
        self.write(FAILED, [name, reason])
        print(f'failed: {name}: {reason}', file=sys.stderr, flush=True)

    def step(self) -> None:
        """Count a video, and print a line every few seconds."""
        self.done += 1
        now = time.monotonic()
        if now - self.printed >= _REPORT_SECONDS:
            self.printed, rate = now, self.done / (now - self.begin)
            print(f'{self.done} of {self.videos} videos, {rate:.2f} a second, '
                  f'{(self.videos - self.done) / rate / 60:.0f} minutes left', flush=True)

    def close(self) -> None:
        for file in self.files.values():
            file.close()


def prepare(source: Path, target: Path, settings: Settings, workers: int,
            timeout: float) -> tuple[list[Row], int]:
    """Prepare a tree, or the rest of it.

    Returns:
        The rows of all finished videos, and how many files failed.

    Raises:
        ValueError: For folders or settings that must not be used.
    """
    check_folders(source, target)
    videos, others = find_files(source, target.resolve())
    with claim(target, settings):
        rows = {name: row for name, row in read_table(target / TABLE).items()
                if is_finished(row, source / name, target / name)}
        jobs = [(name, source / name, part_of(target / name)) for name in videos
                if name not in rows]
        print(f'{len(videos)} videos, {len(videos) - len(jobs)} of them finished before; '
              f'{len(others)} other files', flush=True)
        write_table(target / TABLE, rows.values())
        with closing(Report(target, len(jobs))) as report, closing(
                encode_all(jobs, settings, workers, timeout)) as results:
            for name, reason in copy_others(others, source, target):
                report.fail(name, reason)
            for name, result in results:
                part, new = part_of(target / name), target / name
                if isinstance(result, str):
                    for path in (part, new):  # One made of what SRC held before is not right.
                        path.unlink(missing_ok=True)
                    report.fail(name, result)
                else:
                    sizes = (source / name).stat().st_size, part.stat().st_size
                    rows[name] = Row(name, *sizes, *result)
                    os.replace(part, new)
                    report.write(TABLE, rows[name].cells())
                report.step()
        write_table(target / TABLE, rows.values())
        return [rows[name] for name in videos if name in rows], report.failures


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    default = Settings()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, metavar='SRC', help='folder of videos')
    parser.add_argument('target', type=Path, metavar='DST', help='folder to write, outside SRC')
    parser.add_argument('--short-side', type=int, default=default.short_side,
                        help='pixels; smaller videos keep their size (default: %(default)s)')
    parser.add_argument('--key-frame-interval', type=int, default=default.key_frame_interval,
                        metavar='FRAMES', help='default: %(default)s')
    parser.add_argument('--crf', type=float, default=default.crf,
                        help="x264's quality, lower is better and larger (default: %(default)s)")
    parser.add_argument('--preset', choices=PRESETS, default=default.preset,
                        help="x264's, slower is smaller (default: %(default)s)")
    parser.add_argument('--tune', choices=['fastdecode', 'none'], default=default.tune,
                        help='default: %(default)s')
    parser.add_argument('--workers', type=int, default=len(os.sched_getaffinity(0)),
                        help='videos at a time, a process each (default: all cores, %(default)s)')
    parser.add_argument('--timeout', type=float, default=3600., metavar='SECONDS',
                        help='of one video; it has failed then (default: %(default)s)')
    args = parser.parse_args(arguments)
    for name in ('workers', 'timeout'):
        if getattr(args, name) <= 0:
            parser.error(f'--{name} must be above 0, got {getattr(args, name)}')
    return args


def main(arguments: list[str]) -> int:
    args = parse_args(arguments)
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    try:
        rows, failures = prepare(args.source, args.target, settings, args.workers, args.timeout)
    except KeyboardInterrupt:
        print('interrupted; the same command goes on from here', file=sys.stderr)
        return 130
    print(f'{summarize(rows)} -> {args.target / TABLE}')
    if failures:
        print(f'{failures} files failed -> {args.target / FAILED}', file=sys.stderr)
    return 3 if failures else 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(command(main)(sys.argv[1:]))
