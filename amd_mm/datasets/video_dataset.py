"""Video files, from a list or from a folder."""
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mmaction.datasets import VideoDataset as _VideoDataset
from mmengine.fileio import get_file_backend
from mmengine.logging import print_log

from amd_mm.datasets.files import VIDEOS, printable, walk
from amd_mm.datasets.list_lines import ListForm, ListLine
from amd_mm.datasets.listed import samples_of
from amd_mm.datasets.lists import LIST_ARGUMENTS, joiner, require_num_classes
from amd_mm.datasets.shards import check_shards
from amd_mm.registry import DATASETS
from amd_mm.values import MAPPING, TEXT, optional, takes


@DATASETS.register_module()
class VideoDataset(_VideoDataset):
    """mmaction2's ``VideoDataset`` with other ways to name the videos.

    A list holds ``path label`` lines or, for pre-training, just paths; see
    :func:`~amd_mm.datasets.lists.read_list`. Without a list, all videos below the folder
    ``data_prefix['video']`` are taken, sorted by path, without labels (-1); the log says how many
    there are, and what was left out and why.

    Args:
        pipeline: Transforms, as in mmaction2.
        ann_file: The list; '' for all videos in a folder.
        data_prefix: ``dict(video=...)``, the folder that paths start from.
        need_labels: Whether a line without a label is an error.
        delimiter: What separates path and label; None is any run of blanks.
        **kwargs: Further arguments of ``mmaction.VideoDataset``; an unknown one is a TypeError
            there. ``num_classes`` bounds the labels, ``multi_class`` allows several.

    Raises:
        ValueError: For a data_prefix without ``video``, or a list or a folder that holds nothing
            usable; a message about a line begins with file and line number.
    """

    @takes(**LIST_ARGUMENTS, data_prefix=MAPPING, delimiter=optional(TEXT))
    def __init__(self,
                 pipeline: list,
                 ann_file: str = '',
                 data_prefix: dict = dict(video=''),  # noqa: B006 (never changed)
                 need_labels: bool = False,
                 delimiter: str | None = None,
                 **kwargs: Any) -> None:
        if 'video' not in data_prefix:
            raise ValueError(
                f"data_prefix of VideoDataset must have the key 'video', got {data_prefix}; write "
                'data_prefix=dict(video=folder)')
        require_num_classes('VideoDataset', **kwargs)
        self.need_labels = need_labels
        # Samples of a list stay in the list.
        kwargs = dict(serialize_data=not ann_file) | kwargs
        super().__init__(
            ann_file, pipeline=pipeline, data_prefix=data_prefix, delimiter=delimiter, **kwargs)

    def load_data_list(self) -> Sequence[dict]:
        """Read the list or the folder.

        Returns:
            For each video ``filename`` and ``label`` (a list of labels with ``multi_class``).
        """
        if not self.ann_file:
            return self._load_folder()
        form = ListForm(
            VIDEOS, (), 'needed' if self.need_labels or self.multi_class else 'optional',
            self.multi_class, self.num_classes, self.delimiter)
        path_of = joiner(self.data_prefix['video'])
        check_shards(self.ann_file, path_of)
        return samples_of(self, form, partial(_info, path_of, self.multi_class),
                          partial(self._check_is_no_folder, path_of))

    def _check_is_no_folder(self, path_of: Callable[[str], str], line: ListLine) -> None:
        if VIDEOS.has(line.path):
            return
        path = path_of(line.path)
        if get_file_backend(path, enable_singleton=True).isdir(path):
            raise ValueError(
                f'{printable(self.ann_file)}:{line.number}: a line must name a video, got the '
                f'folder {printable(path)}; lists of frames (folder, count, label) are for '
                'amd_mm.RawframeDataset')

    def _load_folder(self) -> list[dict]:
        folder = self.data_prefix['video']
        if self.need_labels or self.multi_class:
            raise ValueError(
                'VideoDataset without ann_file must not need labels, a folder has none; '
                'give an ann_file of "path label" lines')
        if not folder or not get_file_backend(folder).isdir(folder):
            raise ValueError(
                'VideoDataset needs ann_file or a folder data_prefix=dict(video=...) that '
                f'exists, got ann_file={self.ann_file!r}, folder {folder!r}')
        found = walk(folder, VIDEOS)
        print_log(str(found), 'current')
        if not found.files:
            raise ValueError(
                f'{found}; a folder of videos must hold at least one file ending in '
                f'{", ".join(VIDEOS.suffixes)}')
        path_of = joiner(folder)
        return [dict(filename=path_of(name), label=-1) for name in found.files]


def _info(path_of: Callable[[str], str], several: bool, line: ListLine) -> dict:
    """What the host's data set says of a video."""
    labels = line.labels or (-1, )
    return dict(filename=path_of(line.path), label=list(labels) if several else labels[0])
