"""Pictures, from a list, a folder, or a folder of class folders."""
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mmengine.fileio import get_file_backend
from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset

from amd_mm.datasets.files import PICTURES, class_folders, walk
from amd_mm.datasets.list_lines import ListForm, ListLine
from amd_mm.datasets.listed import samples_of
from amd_mm.datasets.lists import LIST_ARGUMENTS, joiner
from amd_mm.datasets.shards import check_shards
from amd_mm.registry import DATASETS
from amd_mm.values import FLAG, MAPPING, TEXT, either, optional, takes


@DATASETS.register_module()
class PictureDataset(CustomDataset):
    """mmpretrain's ``CustomDataset`` that finds and lists pictures as we find and list videos.

    The host takes a hidden folder for class 0, knows seven suffixes, and reads lists to the letter.
    Here a list holds ``path label`` lines, see :func:`~amd_mm.datasets.lists.read_list`, or paths
    alone if ``with_label`` is False. Without a list, the pictures below ``data_prefix`` are taken,
    hidden files left out and links followed, and the folders in it are the classes; the log says
    how many there are, and what was left out and why.

    Args:
        data_root: Where ``ann_file`` and ``data_prefix`` start from.
        data_prefix: The folder that paths start from.
        ann_file: The list; '' for all pictures in the folder.
        with_label: Whether lines have labels, or folders are classes.
        delimiter: What separates path and label; None is any run of blanks.
        **kwargs: Further arguments of ``mmpretrain.CustomDataset`` but ``extensions``; an unknown
            one is a TypeError there. Class names in ``metainfo`` bound the labels.

    Raises:
        ValueError: For a list or a folder that holds nothing usable (a message about a line begins
            with file and line number), or as many class folders as there are no class names.
    """

    @takes(
        data_root=TEXT,
        data_prefix=either(TEXT, MAPPING),
        ann_file=TEXT,
        with_label=FLAG,
        delimiter=optional(TEXT),
        pipeline=LIST_ARGUMENTS['pipeline'],
        test_mode=FLAG)
    def __init__(self,
                 data_root: str = '',
                 data_prefix: str | dict = '',
                 ann_file: str = '',
                 with_label: bool = True,
                 delimiter: str | None = None,
                 **kwargs: Any) -> None:
        self.delimiter = delimiter
        # Samples of a list stay in the list.
        kwargs = dict(serialize_data=not ann_file) | kwargs
        super().__init__(data_root, data_prefix, ann_file, with_label,
                         extensions=PICTURES.suffixes, **kwargs)

    def load_data_list(self) -> Sequence[dict]:
        """Read the list or the folder.

        Returns:
            For each picture ``img_path`` and, with labels, ``gt_label``.
        """
        join = get_file_backend(self.img_prefix, enable_singleton=True).join_path
        if not self.ann_file:
            return [dict(img_path=join(self.img_prefix, name), **label)
                    for name, label in self._found()]
        form = ListForm(
            PICTURES, labels='needed' if self.with_label else 'none',
            num_classes=len(self.CLASSES) if self.CLASSES else None, delimiter=self.delimiter)
        check_shards(self.ann_file, joiner(self.img_prefix))
        return samples_of(self, form, partial(_info, joiner(self.img_prefix)))

    def _found(self) -> list[tuple[str, dict]]:
        """Names of files, and what is said of each."""
        if self.with_label:
            return [(name, dict(gt_label=label)) for name, label in self._class_folders()]
        found = walk(self.img_prefix, PICTURES)
        print_log(str(found), 'current')
        if not found.files:
            raise ValueError(f'{found}; a folder of pictures must hold at least one file ending in '
                             f'{", ".join(PICTURES.suffixes)}')
        return [(name, {}) for name in found.files]

    def _class_folders(self) -> list[tuple[str, int]]:
        classes, files, found = class_folders(self.img_prefix, PICTURES)
        print_log(str(found), 'current')
        if self.CLASSES is None:
            self._metainfo['classes'] = classes
        elif len(self.CLASSES) != len(classes):
            raise ValueError(
                f'{found.folder}: there must be as many class folders as class names, got '
                f'{len(classes)} and {len(self.CLASSES)}; check data_prefix and metainfo')
        return files


def _info(path_of: Callable[[str], str], line: ListLine) -> dict:
    """What the host's data set says of a picture."""
    label = dict(gt_label=line.labels[0]) if line.labels else {}
    return dict(img_path=path_of(line.path), **label)
