"""Video files, from a list or from a folder."""
from typing import Any

from mmaction.datasets import VideoDataset as _VideoDataset
from mmengine.fileio import get_file_backend

from amd_mm.datasets.lists import LIST_ARGUMENTS, joiner, read_list, require_num_classes
from amd_mm.registry import DATASETS
from amd_mm.values import MAPPING, TEXT, optional, takes

VIDEO_EXTENSIONS = (
    '.3gp', '.avi', '.flv', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.ts', '.webm',
    '.wmv')


@DATASETS.register_module()
class VideoDataset(_VideoDataset):
    """mmaction2's ``VideoDataset`` with other ways to name the videos.

    A list holds ``path label`` lines or, for pre-training, just paths. The last field is the
    label, so paths may hold spaces. Without a list, all videos below the folder
    ``data_prefix['video']`` are taken, sorted by path, without labels (-1).

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
        super().__init__(
            ann_file, pipeline=pipeline, data_prefix=data_prefix, delimiter=delimiter, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the list or the folder.

        Returns:
            For each video ``filename`` and ``label`` (a list of labels with ``multi_class``).
        """
        if not self.ann_file:
            return self._load_folder()
        data_list = []
        path_of = joiner(self.data_prefix['video'])
        for number, name, _, labels in read_list(
                self.ann_file, 'path label' if self.need_labels else 'path [label]', 0,
                self.need_labels or self.multi_class, self.multi_class, self.num_classes,
                self.delimiter):
            if ' ' in name or '\t' in name:
                self._check_not_too_many_fields(number, name)
            labels = labels or (-1, )
            data_list.append({
                'filename': path_of(name),
                'label': list(labels) if self.multi_class else labels[0]})
        return data_list

    def _load_folder(self) -> list[dict]:
        folder = self.data_prefix['video']
        if self.need_labels or self.multi_class:
            raise ValueError(
                'VideoDataset without ann_file must not need labels, a folder has none; '
                'give an ann_file of "path label" lines')
        backend = get_file_backend(folder)
        if not folder or not backend.isdir(folder):
            raise ValueError(
                'VideoDataset needs ann_file or a folder data_prefix=dict(video=...) that '
                f'exists, got ann_file={self.ann_file!r}, folder {folder!r}')
        path_of = joiner(folder)
        names = sorted(
            name for name in backend.list_dir_or_file(folder, list_dir=False, recursive=True)
            if name.lower().endswith(VIDEO_EXTENSIONS))
        if not names:
            raise ValueError(
                f'{folder}: a folder of videos must hold at least one file ending in '
                f'{", ".join(VIDEO_EXTENSIONS)}, found none')
        return [dict(filename=path_of(name), label=-1) for name in names]

    def _check_not_too_many_fields(self, number: int, name: str) -> None:
        head, *last = name.rsplit(None, 1)
        if last and last[0].isdecimal() and head.lower().endswith(VIDEO_EXTENSIONS):
            raise ValueError(
                f'{self.ann_file}:{number}: a line must be "path [label]", got a number more, '
                f'"{last[0]}", between them; lists of raw frames (folder, count, label) are for '
                'amd_mm.RawframeDataset')
