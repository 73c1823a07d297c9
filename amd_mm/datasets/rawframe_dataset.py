"""Folders of extracted frames, from a list."""
from typing import Any

from mmaction.datasets import RawframeDataset as _RawframeDataset
from mmengine.fileio import get_file_backend, join_path

from amd_mm.datasets.lists import ListLine, read_list
from amd_mm.registry import DATASETS


@DATASETS.register_module()
class RawframeDataset(_RawframeDataset):
    """mmaction2's ``RawframeDataset`` with spaces in paths and counts that are checked.

    A line is ``folder total_frames label``, or ``folder total_frames`` for pre-training; with
    ``with_offset`` the first frame's offset stands before the count. The last frame that a
    line promises must exist. Lists with label and count the other way round (documentation
    of VideoMAE and AMD) are in use: where only that order fits the folder, it is an error.
    A folder that is missing altogether is not: it is a bad sample when it is loaded.

    Args:
        pipeline: Transforms, as in mmaction2.
        ann_file: The list.
        data_prefix: ``dict(img=...)``, the folder that paths start from.
        need_labels: Whether a line without a label is an error.
        **kwargs: Further arguments of ``mmaction.RawframeDataset`` (``filename_tmpl``,
            ``start_index``, ``with_offset``, ...); an unknown one is a TypeError there.

    Raises:
        ValueError: For a list that is empty or does not fit (the message names file and line), or
            a data_prefix without ``img``.
    """

    def __init__(self,
                 pipeline: list,
                 ann_file: str,
                 data_prefix: dict = dict(img=''),  # noqa: B006 (never changed)
                 need_labels: bool = False,
                 **kwargs: Any) -> None:
        if 'img' not in data_prefix:
            raise ValueError(
                f"data_prefix of RawframeDataset must have the key 'img', got {data_prefix}; write "
                'data_prefix=dict(img=folder)')
        self.need_labels = need_labels
        super().__init__(ann_file, pipeline=pipeline, data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the list.

        Returns:
            For each video ``frame_dir``, ``total_frames``, ``label`` (a list of labels with
            ``multi_class``) and, with ``with_offset``, ``offset``.
        """
        counts = 'offset total_frames' if self.with_offset else 'total_frames'
        label = 'label' if self.need_labels else '[label]'
        data_list = []
        for line in read_list(
                self.ann_file, f'folder {counts} {label}', 2 if self.with_offset else 1,
                self.need_labels or self.multi_class, self.multi_class, self.num_classes):
            labels = line.labels or (-1, )
            info = dict(
                frame_dir=join_path(self.data_prefix['img'], line.path),
                total_frames=line.counts[-1],
                label=list(labels) if self.multi_class else labels[0])
            if self.with_offset:
                info['offset'] = line.counts[0]
            if self.modality == 'RGB':
                self._check_counts(line, info)
            data_list.append(info)
        return data_list

    def _check_counts(self, line: ListLine, info: dict) -> None:
        folder, total = info['frame_dir'], info['total_frames']
        if total < 1:
            raise ValueError(f'{line.where}: total_frames must be at least 1, got {total}')
        backend = get_file_backend(folder, enable_singleton=True)
        if not backend.isdir(folder):
            if line.path.rpartition(' ')[2].isdecimal():
                raise ValueError(
                    f'{line.where}: a line has too many fields, or the folder {folder!r} is '
                    'missing')
            return

        def holds(number: int) -> bool:
            """Whether the folder holds the n-th frame, counted from 1 after the offset."""
            name = self.filename_tmpl.format(
                self.start_index + info.get('offset', 0) + number - 1)
            return backend.isfile(join_path(folder, name))

        swapped = (len(line.labels) == 1 and not self.with_offset and line.labels[0] != total
                   and line.labels[0] > 0 and holds(line.labels[0])
                   and not holds(line.labels[0] + 1))
        if swapped and (not holds(total) or holds(total + 1)):
            raise ValueError(
                f'{line.where}: the frame count must stand before the label, but {folder} holds '
                f'{line.labels[0]} frames, not {total}; swap the two columns of the list')
        if not holds(total):
            raise ValueError(
                f'{line.where}: total_frames is {total}, but {folder} lacks its last frame; '
                'check the count, filename_tmpl and start_index')
