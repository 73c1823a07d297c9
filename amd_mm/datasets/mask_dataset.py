"""Pictures with masks: a folder of each."""
from collections.abc import Sequence
from os.path import join
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from amd_mm.datasets.files import PICTURES, Kind, few, printable, walk
from amd_mm.datasets.labels import read_classes
from amd_mm.datasets.lists import LIST_ARGUMENTS
from amd_mm.registry import DATASETS
from amd_mm.values import FLAG, MAPPING, TEXT, Rule, takes

# Formats that keep every label; JPEG and its like do not.
MASKS = Kind('masks', ('.bmp', '.gif', '.pgm', '.png', '.tif', '.tiff'))
_FOLDERS = ('img_path', 'seg_map_path')


@DATASETS.register_module()
class MaskDataset(BaseDataset):
    """Pictures below one folder and their masks below another, for mmsegmentation's pipelines.

    A mask has its picture's path, but for the suffix, and the number of a class in every pixel;
    pixels of 255 do not count. Masks without a picture are left out, and the log says how many.
    (mmsegmentation's own data sets take pictures of one suffix and do not look for masks.)

    Args:
        data_root: Where ``data_prefix`` starts from.
        data_prefix: The folders ``img_path`` of pictures and ``seg_map_path`` of masks.
        metainfo: ``classes``, names or a file with one a line, label 0 first; perhaps
            ``palette``, a colour a class.
        reduce_zero_label: Whether 0 does not count and classes begin at 1, as in ADE20K.
        pipeline: Transforms.
        test_mode: As in MMEngine.
        **kwargs: Further arguments of MMEngine's ``BaseDataset``; an unknown one is a TypeError
            there.

    Raises:
        ValueError: For a folder that is missing or has no picture, a picture without a mask, or
            several files of one name; counts and lists them.
    """

    @takes(
        data_root=TEXT,
        data_prefix=Rule('a dict of img_path and seg_map_path', lambda value: (
            isinstance(value, dict) and set(value) == set(_FOLDERS)
            and all(isinstance(folder, str) for folder in value.values()))),
        metainfo=Rule('a dict with classes', lambda value: (
            MAPPING.holds(value) and 'classes' in value)),
        reduce_zero_label=FLAG,
        pipeline=LIST_ARGUMENTS['pipeline'],
        test_mode=FLAG)
    def __init__(self,
                 data_root: str,
                 data_prefix: dict[str, str],
                 metainfo: dict,
                 reduce_zero_label: bool = False,
                 pipeline: Sequence = (),
                 test_mode: bool = False,
                 **kwargs: Any) -> None:
        self.reduce_zero_label = reduce_zero_label
        classes = metainfo['classes']
        if isinstance(classes, str):
            classes = read_classes(classes)
        meta = dict(palette=default_palette(len(classes)), reduce_zero_label=reduce_zero_label)
        super().__init__(
            metainfo={**meta, **metainfo, 'classes': classes}, data_root=data_root,
            data_prefix=dict(data_prefix), pipeline=list(pipeline), test_mode=test_mode, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Search the folders.

        Returns:
            For each picture what mmsegmentation's transforms read: ``img_path``,
            ``seg_map_path``, ``label_map``, ``reduce_zero_label`` and ``seg_fields``.
        """
        pictures, masks = (
            _by_stem(self.data_prefix[folder], kind)
            for folder, kind in zip(_FOLDERS, (PICTURES, MASKS), strict=True))
        without = sorted(name for stem, name in pictures.items() if stem not in masks)
        if without:
            raise ValueError(
                f'{printable(self.data_prefix["seg_map_path"])}: every picture must have a mask of '
                f'its path, ending in {", ".join(MASKS.suffixes)}, but {len(without)} of '
                f'{len(pictures)} have none: {few(without)}; add the masks, or move the pictures '
                'out of the folder')
        left_over = sorted(name for stem, name in masks.items() if stem not in pictures)
        if left_over:
            print_log(f'{len(left_over)} masks have no picture and are left out: '
                      f'{few(left_over)}', 'current')
        return [dict(img_path=join(self.data_prefix['img_path'], name),
                     seg_map_path=join(self.data_prefix['seg_map_path'], masks[stem]),
                     label_map=None, reduce_zero_label=self.reduce_zero_label, seg_fields=[])
                for stem, name in pictures.items()]


def default_palette(count: int) -> list[tuple[int, int, int]]:
    """Colours of labels from 0 on, RGB, as PASCAL VOC chooses them: 0 is black.

    The bits of a label go round to red, green and blue, the first ones to the highest places.
    """
    def shade(label: int, channel: int) -> int:
        return sum((label >> 3 * place + channel & 1) << 7 - place for place in range(3))

    return [(shade(label, 0), shade(label, 1), shade(label, 2)) for label in range(count)]


def _by_stem(folder: str, kind: Kind) -> dict[str, str]:
    """Names of files by what they are without suffix, in order."""
    found = walk(folder, kind)
    print_log(str(found), 'current')
    if not found.files:
        raise ValueError(f'{found}; a folder of {kind.name} must hold at least one file ending in '
                         f'{", ".join(kind.suffixes)}; check data_root and data_prefix')
    names: dict[str, str] = {}
    twice = []
    for name in found.files:
        if names.setdefault(name[:name.rindex('.')], name) != name:
            twice.append(name)
    if twice:
        raise ValueError(
            f'{printable(folder)}: {kind.name} must differ in more than the suffix, but '
            f'{len(twice)} do not: {few(twice)}; remove or rename them')
    return names
