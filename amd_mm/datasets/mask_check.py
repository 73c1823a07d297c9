"""Whether pictures have masks that fit them and their classes."""
import io
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from amd_mm.datasets.files import FileError, few, printable
from amd_mm.datasets.lists import said_while
from amd_mm.datasets.reading import read_bytes

IGNORED = 255
_EXIF_ORIENTATION, _TURNED = 0x0112, 5
_THREADS = 8


class MaskCounts(NamedTuple):
    """What the masks of a data set hold.

    Attributes:
        samples: Pictures.
        pixels: (classes, ) of each class.
        ignored: Pixels that do not count.
        blank: Pictures whose pixels are all ignored.
    """
    samples: int
    pixels: np.ndarray
    ignored: int
    blank: int


class _Fault(NamedTuple):
    """Something of a kind that is wrong with a file."""
    kind: str
    said: str


def has_masks(dataset: Any) -> bool:
    """Whether the samples of a data set are annotated by masks."""
    return len(dataset) > 0 and 'seg_map_path' in dataset.get_data_info(0)


def check_masks(dataset: Any, num_classes: int, name: str) -> MaskCounts:
    """Read every mask, and the size of every picture.

    Args:
        dataset: One of mmsegmentation's kind, whose samples have ``img_path`` and
            ``seg_map_path``.
        num_classes: Labels must be in [0, num_classes) or 255; from 1 on where
            ``reduce_zero_label`` takes 0 for ignored.
        name: What to call the data in messages.

    Returns:
        What the masks hold. A class without a pixel is logged.

    Raises:
        ValueError: If a file is missing, empty or no picture, a mask has another size than its
            picture or more than one channel, or a label is out of range; counts and lists them
            by kind.
    """
    if not 1 <= num_classes <= IGNORED:
        raise ValueError(f'{name}: the number of classes of masks must be in [1, {IGNORED}], as '
                         f'mmsegmentation reads them as 8 bits, got {num_classes}; join classes')
    faults: dict[str, list[str]] = defaultdict(list)
    pixels = np.zeros(num_classes + 1, np.int64)
    blank = 0
    count = len(dataset)
    infos = map(dataset.get_data_info, range(count))
    with ThreadPoolExecutor(_THREADS) as threads:
        looks = threads.map(lambda info: _look(info, num_classes), infos)
        for found, of_sample in said_while(name, 'masks', looks, count):
            for fault in found:
                faults[fault.kind].append(fault.said)
            pixels += of_sample
            blank += not found and not of_sample[:-1].any()
    if faults:
        lines = [f'  {len(listed)} {kind}: {few(listed)}' for kind, listed in faults.items()]
        raise ValueError(
            f'{name}: every picture must have a mask of its size with labels in [0, '
            f'{num_classes}) or {IGNORED}, but of {count} samples\n' + '\n'.join(lines)
            + '\n  Mend or remove them, or check the number of classes and the class list.')
    counts = MaskCounts(count, pixels[:-1], int(pixels[-1]), blank)
    _say_what_is_rare(counts, name)
    return counts


def _say_what_is_rare(counts: MaskCounts, name: str) -> None:
    without = [str(label) for label in np.flatnonzero(counts.pixels == 0)]
    if without:
        print_log(f'{name}: {len(without)} of {len(counts.pixels)} classes have no pixel: '
                  f'{few(without)}', 'current', level=30)
    if counts.blank:
        print_log(f'{name}: {counts.blank} of {counts.samples} masks have no class in any pixel',
                  'current', level=30)


def _look(info: dict, num_classes: int) -> tuple[list[_Fault], np.ndarray]:
    """What is wrong with a sample, and its pixels of each class and ignored ones."""
    faults = []
    pixels = np.zeros(num_classes + 1, np.int64)
    picture, path = info['img_path'], info['seg_map_path']
    size = None
    try:
        size = _size(picture)
    except FileError as error:
        faults.append(_Fault('pictures cannot be read', str(error)))
    try:
        mask = _read_mask(path)
    except FileError as error:
        faults.append(_Fault('masks cannot be read', str(error)))
        return faults, pixels
    if mask.ndim != 2 or mask.dtype.kind not in 'bui':
        faults.append(_Fault('masks are not one channel of whole numbers', printable(path)))
        return faults, pixels
    if size is not None and mask.shape != size:
        faults.append(_Fault('masks have another size than their picture', (
            f'{printable(path)} {mask.shape[1]} x {mask.shape[0]} for '
            f'{size[1]} x {size[0]}')))
    labels, counts = np.unique(mask, return_counts=True)
    wrong = []
    for raw, count in zip(labels.tolist(), counts.tolist(), strict=True):
        label = _label(raw, info)
        if label == IGNORED:
            pixels[-1] += count
        elif label is not None and 0 <= label < num_classes:
            pixels[label] += count
        else:
            wrong.append(str(raw))
    if wrong:
        faults.append(_Fault('masks have labels of no class', f'{printable(path)} ({few(wrong)})'))
    return faults, pixels


def _label(raw: int, info: dict) -> int | None:
    """What mmsegmentation makes of a pixel: a class, or 255; None: no class of the data set."""
    reduced = bool(info.get('reduce_zero_label'))
    if raw == IGNORED or raw == 0 and reduced:
        return IGNORED
    label = int(raw) - reduced
    # With a choice of its classes.
    return info['label_map'].get(label) if info.get('label_map') else label


def _read_mask(path: str) -> np.ndarray:
    """The numbers in a file, as mmsegmentation reads them: of a palette its indices."""
    with _open(path) as mask:
        try:
            return np.asarray(mask)
        except Exception as error:  # Pillow has many of its own
            raise FileError(path, 'is cut short or damaged') from error


def _size(path: str) -> Sequence[int]:
    """(rows, columns) of a picture as it is shown; its pixels are not read."""
    with _open(path) as picture:
        columns, rows = picture.size
        turned = picture.getexif().get(_EXIF_ORIENTATION, 1) >= _TURNED
    return (columns, rows) if turned else (rows, columns)


def _open(path: str) -> Image.Image:
    content = read_bytes(path)
    if not content:
        raise FileError(path, 'is empty')
    try:
        return Image.open(io.BytesIO(content))
    except Exception as error:  # Pillow has many of its own
        raise FileError(path, 'is no picture of a kind that can be read') from error
