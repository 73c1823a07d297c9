"""Whether a file of boxes in COCO's format agrees with its pictures and with the classes."""
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from PIL import Image, UnidentifiedImageError

from amd_mm.datasets.lists import said_while
from amd_mm.datasets.text_files import read_text

_SHOWN = 5
# Pixels that a box may reach beyond the picture: annotators' tools round.
_SLACK = 1.
_LISTS = dict(images=('id', 'file_name', 'width', 'height'), categories=('id', 'name'),
              annotations=('id', 'image_id', 'category_id', 'bbox'))
# EXIF's orientation, and those that turn a picture on its side.
_ORIENTATION, _ON_ITS_SIDE = 0x112, (5, 6, 7, 8)


class CocoReport(NamedTuple):
    """What a file holds.

    Attributes:
        images: How many pictures.
        boxes: How many boxes.
        classes: Names of the categories, in the file's order.
        faults: What has to be mended, by the rule that is broken: a text for each case.
        empty: Names of the pictures without a box, which training leaves out.
    """
    images: int
    boxes: int
    classes: tuple[str, ...]
    faults: dict[str, list[str]]
    empty: list[str]

    def lines(self) -> list[str]:
        """The faults, counted, the first of each kind with what it is about."""
        found = []
        for rule, cases in self.faults.items():
            rest = f' and {len(cases) - _SHOWN} more' if len(cases) > _SHOWN else ''
            found.append(f'{rule}, but {len(cases)} not so: {"; ".join(cases[:_SHOWN])}{rest}')
        return found


def read_coco(ann_file: str) -> dict[str, Any]:
    """Read a file in COCO's format.

    Raises:
        ValueError: If it is no JSON, or has not the lists and keys that are read.
    """
    try:
        content = json.loads(read_text(ann_file))
    except json.JSONDecodeError as error:
        raise ValueError(f'{ann_file}: must be JSON, but line {error.lineno}, column '
                         f'{error.colno} is not: {error.msg}') from error
    for name, keys in _LISTS.items():
        entries = content.get(name) if isinstance(content, dict) else None
        if not isinstance(entries, list):
            raise ValueError(
                f"{ann_file}: must be in COCO's format, an object with the lists "
                f'{", ".join(_LISTS)}, but {name} is missing or no list')
        for number, entry in enumerate(entries):
            lacking = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if lacking:
                raise ValueError(f'{ann_file}: every entry of {name} must have '
                                 f'{", ".join(keys)}, but entry {number} lacks '
                                 f'{", ".join(lacking)}')
    return content


def coco_classes(ann_file: str, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of a file's categories, which number the labels in this order.

    mmdet numbers categories as they come in the file; a list of classes in another order would
    give every label another's name, without a word.

    Args:
        ann_file: The file.
        wanted: A class list to hold against it; None: the file's own.

    Raises:
        ValueError: If the file cannot be read, names are there twice, or are not the wanted ones.
    """
    return _classes(ann_file, read_coco(ann_file), wanted)


def _classes(ann_file: str, content: Mapping[str, Any],
             wanted: Sequence[str] | None) -> tuple[str, ...]:
    names = tuple(category['name'] for category in content['categories'])
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not names:
        raise ValueError(f'{ann_file}: categories must have names, each once, but '
                         + (f'{twice[0]!r} is there twice' if twice else 'there is none'))
    if wanted is not None and tuple(wanted) != names:
        apart = sorted(set(wanted) ^ set(names))
        what = (f'only one of the two has {", ".join(map(repr, apart[:_SHOWN]))}' if apart
                else f'the file has {names} and the list {tuple(wanted)}')
        raise ValueError(
            f'{ann_file}: the class list must be the names of its categories, in that order, but '
            f'{what}; leave the list out, or mend one of them')
    return names


def check_coco(ann_file: str, folder: str, classes: Sequence[str] | None = None) -> CocoReport:
    """Look at every picture, category and box of a file.

    Args:
        ann_file: In COCO's format.
        folder: Where its pictures are.
        classes: A class list to hold against its categories; None: the file's own.

    Raises:
        ValueError: If the file cannot be read as such; see :func:`read_coco` and
            :func:`coco_classes`.
    """
    content = read_coco(ann_file)
    names = _classes(ann_file, content, classes)
    faults: dict[str, list[str]] = {}

    def fault(rule: str, case: str) -> None:
        faults.setdefault(rule, []).append(case)

    for kind, entries in content.items():
        if kind in _LISTS:
            for repeated in _repeated(entries):
                fault(f'ids of {kind} must be there once', f'{repeated} is there twice')
    pictures = {image['id']: image for image in content['images']}
    for image in said_while(ann_file, 'pictures', content['images'], len(content['images'])):
        problem = _picture_problem(image, folder)
        if problem:
            fault('a picture must be a file of the size that is said of it', problem)
    categories = {category['id'] for category in content['categories']}
    for annotation in content['annotations']:
        who = f'annotation {annotation["id"]}'
        if annotation['category_id'] not in categories:
            fault(f'a category must be one of the {len(categories)} in the file',
                  f'{who} has {annotation["category_id"]}')
        image = pictures.get(annotation['image_id'])
        if image is None:
            fault('a box must belong to a picture in the file',
                  f'{who} has image_id {annotation["image_id"]}')
            continue
        problem = _box_problem(annotation['bbox'], image)
        if problem:
            fault('a box must be x, y, width, height in pixels, within the picture, with an area',
                  f'{who} of {image["file_name"]} {problem}')
    filled = {annotation['image_id'] for annotation in content['annotations']}
    empty = [image['file_name'] for image in content['images'] if image['id'] not in filled]
    return CocoReport(len(pictures), len(content['annotations']), names, faults, empty)


def require_sound(ann_file: str, folder: str, classes: Sequence[str] | None = None) -> CocoReport:
    """As :func:`check_coco`, for a file that is about to be used.

    Raises:
        ValueError: If there are faults, or no box at all; counts and names them.
    """
    report = check_coco(ann_file, folder, classes)
    if report.faults:
        raise ValueError('\n  '.join([f'{ann_file}: does not fit its pictures or itself:',
                                      *report.lines()]))
    if not report.boxes:
        raise ValueError(f'{ann_file}: there must be at least one box, but there is none')
    return report


def _repeated(entries: Sequence[Mapping[str, Any]]) -> list:
    return [value for value, count in Counter(entry['id'] for entry in entries).items()
            if count > 1]


def _picture_problem(image: Mapping[str, Any], folder: str) -> str | None:
    path = os.path.join(folder, image['file_name'])
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            if picture.getexif().get(_ORIENTATION) in _ON_ITS_SIDE:
                width, height = height, width
    except FileNotFoundError:
        return f'{path} is missing'
    except (OSError, UnidentifiedImageError) as error:
        return f'{path} cannot be read ({type(error).__name__})'
    if (width, height) != (image['width'], image['height']):
        return (f'{path} is {width} x {height}, but {image["width"]} x {image["height"]} is said '
                'of it')
    return None


def _box_problem(box: object, image: Mapping[str, Any]) -> str | None:
    if not isinstance(box, list) or len(box) != 4 or not all(
            isinstance(value, (int, float)) and math.isfinite(value) for value in box):
        return f'has {box!r}'
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return f'has no area: {box}'
    if (min(x, y) < -_SLACK or x + width > image['width'] + _SLACK
            or y + height > image['height'] + _SLACK):
        return f'reaches out of {image["width"]} x {image["height"]}: {box}'
    return None
