"""Whether annotations of the AVA kind agree with their label file, videos and proposals."""
import math
import os
from collections.abc import Callable, Collection, Mapping
from itertools import count
from typing import Any, NamedTuple, Protocol

import numpy as np
from decord import DECORDError, VideoReader
from mmaction.evaluation import read_labelmap
from mmengine.fileio import list_from_file
from mmengine.logging import print_log

from amd_mm.datasets.files import VIDEOS
from amd_mm.datasets.labels import dicts, leaf_datasets
from amd_mm.datasets.loading_process import ProcessLost

# The host's default: 80 labels and the background.
AVA_CLASSES = 81
FORM = 'video,timestamp,x1,y1,x2,y2,label,person'
# Seconds between where a timestamp's frame is looked for and where it is. AVA's key frames are
# one second apart.
_MAX_DRIFT = .5
_SHOWN = 5


class Row(NamedTuple):
    """One line of an annotation file: one label of one box, corners relative to the picture."""
    video: str
    timestamp: int
    box: tuple[float, ...]
    label: int
    person: int


class Clock(NamedTuple):
    """How timestamps count: ``fps`` frames for each, the first of which is at ``start``."""
    start: int
    end: int
    fps: int

    def frame_of(self, timestamp: int) -> int:
        """Frame of a timestamp, counted from 0."""
        return self.fps * (timestamp - self.start)


class Video(Protocol):
    """What is annotated: a folder of frames or a file."""
    path: str
    total_frames: int

    def problem(self, timestamp: int, clock: Clock) -> str | None:
        """Why there is no frame for a timestamp; None if there is one."""


class FrameFolder:
    """Pictures of a video, numbered without gaps.

    Args:
        path: The folder.
        template: Name of a frame, with the place of its number: ``'img_{:05}.jpg'``.
        first: Number of the first frame.
    """

    def __init__(self, path: str, template: str, first: int) -> None:
        self.path = path
        self._template, self._first = template, first
        prefix, suffix = template.split('{')[0], template.split('}')[-1]
        names = set(os.listdir(path)) if os.path.isdir(path) else set()
        self.total_frames = next(
            number for number in count() if template.format(number + first) not in names)
        self._has_gap = self.total_frames < sum(
            name.startswith(prefix) and name.endswith(suffix) for name in names)

    def problem(self, timestamp: int, clock: Clock) -> str | None:
        """Why the key frame at ``timestamp`` cannot be read; None: it can."""
        if self.total_frames == 0 or (
                self._has_gap and clock.frame_of(timestamp) >= self.total_frames):
            missing = os.path.join(
                self.path, self._template.format(self.total_frames + self._first))
            return (f'a key frame and all before it must be files, but {missing} is missing; '
                    'extract the frames again, or check data_prefix')
        return _outside(timestamp, clock, self.total_frames)


class VideoFile:
    """A file that plays at the rate of the timestamps; its extension may be left out.

    Args:
        path: The file, with or without extension.
        probe: What tells frames and rate of a file: :func:`frames_and_rate`, or a process of it.
    """

    def __init__(self, path: str, probe: Callable[[str], tuple[int, float]]) -> None:
        found = (path + ending for ending in ('', *VIDEOS.suffixes)
                 if os.path.isfile(path + ending))
        self.path = next(found, path)
        self.total_frames, self._fps, self._error = 0, 0., 'is missing; check data_prefix'
        if os.path.isfile(self.path):
            try:
                self.total_frames, self._fps = probe(self.path)
            except (DECORDError, RuntimeError, ProcessLost) as error:
                self._error = f'cannot be read: {str(error).strip().splitlines()[0]}'

    def problem(self, timestamp: int, clock: Clock) -> str | None:
        """Why the key frame at ``timestamp`` cannot be read; None: it can."""
        if self.total_frames == 0:
            return f'a key frame must have a video, but {self.path} {self._error}'
        # fps=1 is mmaction2's way to say that timestamps are numbers of frames.
        seconds = timestamp - clock.start
        if clock.fps != 1 and abs(clock.frame_of(timestamp) / self._fps - seconds) > _MAX_DRIFT:
            return (f'{self.path} must play {clock.fps} frames a second, got {self._fps:.3f}: '
                    'frames would be more than half a second away from their boxes; set fps, or '
                    'convert the videos (ffmpeg -r)')
        return _outside(timestamp, clock, self.total_frames)


def frames_and_rate(path: str) -> tuple[int, float]:
    """How many frames a video has, and frames a second, as decord counts."""
    reader = VideoReader(path, num_threads=1)
    return len(reader), reader.get_avg_fps()


def read_labels(label_file: str, num_classes: float = math.inf) -> dict[int, str]:
    """Read names of labels, with mmaction2's reader; ids may have gaps.

    Args:
        label_file: Items with ``name: "..."`` and ``id: N`` or ``label_id: N``.
        num_classes: Ids must be in [1, num_classes); 0 is the background. Infinite where the
            number of classes is that of a choice among them.

    Raises:
        ValueError: For an id out of range or twice, or no item; names file and line.
    """
    lines = list_from_file(label_file)
    items, _ = read_labelmap(lines)
    if not items:
        raise ValueError(
            f'{label_file}: a label file must have items whose lines begin with two blanks and '
            '`name:`, `id:` or `label_id:`, found none')
    places = [number for number, line in enumerate(lines, 1)
              if line.startswith(('  id:', '  label_id:'))]
    names = {}
    for item, number in zip(items, places, strict=True):
        where = f'{label_file}:{number}'
        if not 1 <= item['id'] < num_classes:
            raise ValueError(
                f'{where}: an id must be in [1, {num_classes}), got {item["id"]}; num_classes is '
                'the largest id + 1, with gaps in the ids too, and 0 is the background')
        if item['id'] in names:
            raise ValueError(f'{where}: an id must stand there once, got {item["id"]} twice')
        names[item['id']] = item['name']
    return names


def read_exclusions(exclude_file: str | None) -> set[tuple[str, int]]:
    """Read the key frames to leave out, ``video,timestamp`` lines.

    Raises:
        ValueError: For a line of another form; names file and line.
    """
    excluded = set()
    for number, text in enumerate(list_from_file(exclude_file) if exclude_file else (), 1):
        video, _, timestamp = text.strip().partition(',')
        if not video or not timestamp.isdecimal():
            raise ValueError(f'{exclude_file}:{number}: a line must be "video,timestamp", '
                             f'got "{text.strip()}"')
        excluded.add((video, int(timestamp)))
    return excluded


def check_num_classes(cfg: Mapping[str, Any]) -> None:
    """Compare the classes of a detector's head, data sets and metrics in a config.

    mmaction2 finds a difference at the first step or after the first epochs, in an assertion
    that names nothing.

    Args:
        cfg: Any config; without a detector of actions there is nothing to compare.

    Raises:
        ValueError: If they differ, or the head measures more classes than there are.
    """
    head = (((cfg.get('model') or {}).get('roi_head') or {}).get('bbox_head') or {})
    if not _is(head, 'BBoxHeadAVA'):
        return
    parts = {'model.roi_head.bbox_head': head}
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        found = leaf_datasets(loader['dataset']) if 'dataset' in loader else ()
        parts |= {f'{part}_dataloader.dataset': data for data in found if _is(data, 'AVADataset')}
        parts |= {f'{part}_evaluator': metric for metric in dicts(cfg.get(f'{part}_evaluator'))
                  if _is(metric, 'AVAMetric')}
    counts = {name: part.get('num_classes', AVA_CLASSES) for name, part in parts.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            'num_classes must be the same in head, data sets and metrics (the largest id + 1), '
            f'got {counts}; where it is not given it is {AVA_CLASSES}')
    chosen = {name: part.get('custom_classes') for name, part in parts.items() if part is not head}
    if any(value != next(iter(chosen.values())) for value in chosen.values()):
        raise ValueError(
            f'custom_classes must be the same in data sets and metrics, got {chosen}')
    measured = head.get('topk', (3, 5))
    measured = (measured, ) if isinstance(measured, int) else measured or ()
    count = head.get('num_classes', AVA_CLASSES)
    if any(k >= count for k in measured):
        raise ValueError(
            f'topk of model.roi_head.bbox_head must be below num_classes, {count}, got {measured}; '
            'set topk=1')


def _is(config: Mapping[str, Any], name: str) -> bool:
    kind = config.get('type')
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', '')).endswith(name)


def check_annotations(ann_file: str,
                      names: Mapping[int, str],
                      num_classes: float,
                      clock: Clock,
                      open_video: Callable[[str], Video],
                      excluded: Collection[tuple[str, int]] = (),
                      classes: Collection[int] | None = None,
                      unnamed_labels: bool = False) -> tuple[dict[str, str], dict[str, Video]]:
    """Check every line of an annotation file.

    Args:
        ann_file: ``video,timestamp,x1,y1,x2,y2,label,person`` lines.
        names: Of the labels, see :func:`read_labels`.
        num_classes: Labels must be in [1, num_classes), see :func:`read_labels`.
        clock: How timestamps count.
        open_video: Looks up a video by its id; called once for each.
        excluded: Key frames that are not used; their files are not looked for.
        classes: Labels that are used; None for all.
        unnamed_labels: Whether labels without a name may stand there. They are trained, but
            mmaction2's metric leaves them out.

    Returns:
        ``ann_file:line`` of the first line of each key frame that is used, by mmaction2's key
        ``video,timestamp``, and the videos by their ids.

    Raises:
        ValueError: If a line does not have that form, a box is not within [0, 1], a label is
            unknown, a timestamp lies outside its video, or a key frame has no file; counts
            the lines and names the first ones. If no box is left to train or test with.
    """
    problems: list[str] = []
    places: dict[tuple[str, int], str] = {}
    is_evaluated = False
    for number, text in enumerate(list_from_file(ann_file), 1):
        where = f'{ann_file}:{number}'
        row = _parse(text)
        if row is None:
            problems.append(f'{where}: a line must be "{FORM}", got "{text.strip()}"; a key frame '
                            'without boxes has no line')
            continue
        problem = _box_problem(row.box) or _label_problem(
            row.label, names, num_classes, unnamed_labels)
        if problem:
            problems.append(f'{where}: {problem}')
        used = classes is None or row.label in classes
        if used and (row.video, row.timestamp) not in excluded:
            places.setdefault((row.video, row.timestamp), where)
            is_evaluated |= row.label in names
    videos = {video: open_video(video) for video in dict.fromkeys(video for video, _ in places)}
    for (video, timestamp), where in places.items():
        if problem := videos[video].problem(timestamp, clock):
            problems.append(f'{where}: {problem}')
    if problems:
        rest = f'\n  and {len(problems) - _SHOWN} more' if len(problems) > _SHOWN else ''
        raise ValueError(f'{ann_file}: every line must fit labels and videos, but '
                         f'{len(problems)} do not:\n  ' + '\n  '.join(problems[:_SHOWN]) + rest)
    if not is_evaluated:
        raise ValueError(
            f'{ann_file}: there must be at least one box with a named label, but after '
            f'{len(excluded)} excluded key frames{" and a choice of classes" if classes else ""} '
            'there is none; check ann_file, exclude_file and custom_classes')
    return {f'{video},{timestamp:04d}': where
            for (video, timestamp), where in places.items()}, videos


def check_proposals(proposals: Mapping[str, np.ndarray], proposal_file: str,
                    key_frames: Mapping[str, str], missing_allowed: bool) -> None:
    """Check that every key frame has a proposal, and its form.

    Args:
        proposals: For each ``video,timestamp`` (N, 4) or (N, 5) corners in [0, 1] and score.
        proposal_file: Where they come from, for messages.
        key_frames: ``file:line`` by key, of :func:`check_annotations`.
        missing_allowed: Whether some (not all) key frames may have none; logs how many.

    Raises:
        ValueError: If something does not fit; names the key frame with file and line.
    """
    if not isinstance(proposals, Mapping):
        raise ValueError(f'{proposal_file}: proposals must be a dictionary by "video,timestamp", '
                         f'got a {type(proposals).__name__}')
    for key, where in key_frames.items():
        boxes = _boxes(proposals.get(key, ()))
        if not boxes.size and boxes.shape[:1] == (0, ):
            continue
        corners = boxes[:, :4] if boxes.ndim == 2 and boxes.shape[1] in (4, 5) else None
        if corners is None or not (0 <= corners.min() and corners.max() <= 1):
            found = f'shape {boxes.shape}' if corners is None else (
                f'values in [{corners.min():g}, {corners.max():g}]')
            raise ValueError(
                f'{proposal_file}: proposals of {key} ({where}) must be (N, 4) corners in [0, 1] '
                f'or (N, 5) with a score, got {found}')
    without = [f'{key} ({where})' for key, where in key_frames.items()
               if not len(proposals.get(key, ()))]
    if not without:
        return
    rest = f' and {len(without) - _SHOWN} more' if len(without) > _SHOWN else ''
    rule = (f'{proposal_file}: every key frame must have a proposal, but {len(without)} of '
            f'{len(key_frames)} have none: {", ".join(without[:_SHOWN])}{rest}')
    if len(without) == len(key_frames):
        there = f', such as {next(iter(proposals))!r}' if proposals else ''
        raise ValueError(f'{rule}; do the files belong together? Keys are "video,timestamp" with '
                         f'four digits, the file has {len(proposals)}{there}')
    if not missing_allowed:
        raise ValueError(f'{rule}; add them, or set missing_proposals=True of the data set to '
                         'propose the whole frame there')
    print_log(f'{rule}; the whole frame is proposed there', 'current', level=30)


def _boxes(value: object) -> np.ndarray:
    """Boxes as an array of numbers; of what is none, an array without an axis."""
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        return np.asarray(np.nan)


def _parse(text: str) -> Row | None:
    """The fields of a line; None if it does not have that form."""
    video, *fields = text.strip().split(',')
    try:
        timestamp, label, person = int(fields[0]), int(fields[5]), int(fields[6])
        box = tuple(map(float, fields[1:5]))
    except (IndexError, ValueError):
        return None
    return Row(video, timestamp, box, label, person) if video and len(fields) == 7 else None


def _box_problem(box: tuple[float, ...]) -> str | None:
    x1, y1, x2, y2 = box
    if 0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1:
        return None
    return ('a box must lie in [0, 1] with x1 <= x2 and y1 <= y2, got '
            f'{x1:g},{y1:g},{x2:g},{y2:g}; corners are parts of width and height, not pixels')


def _label_problem(label: int, names: Mapping[int, str], num_classes: float,
                   unnamed_labels: bool) -> str | None:
    if label in names or (unnamed_labels and 1 <= label < num_classes):
        return None
    if 1 <= label < num_classes:
        return (f'a label must have a name in the label file, got {label}; add it, or set '
                'unnamed_labels=True of the data set to train and not evaluate it')
    return f'a label must be in [1, {num_classes}), got {label}; check num_classes'


def _outside(timestamp: int, clock: Clock, total_frames: int) -> str | None:
    # The end of the video is its last frame's, and that of the config is inclusive, as AVA's.
    last = min(clock.end, clock.start + (total_frames - 1) // clock.fps)
    if clock.start <= timestamp <= last:
        return None
    return (f'a timestamp must lie in its video, {clock.start} to {last} with {total_frames} '
            f'frames, {clock.fps} for each timestamp from timestamp_start={clock.start}, got '
            f'{timestamp}')
