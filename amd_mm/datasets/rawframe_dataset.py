"""Folders of extracted frames, from a list."""
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mmaction.datasets import RawframeDataset as _RawframeDataset
from mmengine.dist import is_main_process
from mmengine.fileio import get_file_backend, join_path

from amd_mm.datasets.files import printable
from amd_mm.datasets.list_lines import ListForm, ListLine
from amd_mm.datasets.listed import samples_of
from amd_mm.datasets.lists import LIST_ARGUMENTS, joiner, require_num_classes
from amd_mm.registry import DATASETS
from amd_mm.values import FLAG, MAPPING, TEXT, takes


@DATASETS.register_module()
class RawframeDataset(_RawframeDataset):
    """mmaction2's ``RawframeDataset`` with spaces in paths and counts that are checked.

    A line is ``folder total_frames label``, or ``folder total_frames`` for pre-training; with
    ``with_offset`` the first frame's offset stands before the count. The last frame that a
    line promises must exist. Lists with label and count the other way round (documentation
    of VideoMAE and AMD) are in use: where only that order fits the folder, it is an error.
    A folder that is missing altogether is not: it is a bad sample when it is loaded. Of several
    processes the first one looks at the files.

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

    @takes(**LIST_ARGUMENTS, data_prefix=MAPPING, with_offset=FLAG, filename_tmpl=TEXT)
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
        require_num_classes('RawframeDataset', **kwargs)
        self.need_labels = need_labels
        # Samples stay in the list.
        kwargs = dict(serialize_data=False) | kwargs
        super().__init__(ann_file, pipeline=pipeline, data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> Sequence[dict]:
        """Read the list.

        Returns:
            For each video ``frame_dir``, ``total_frames``, ``label`` (a list of labels with
            ``multi_class``) and, with ``with_offset``, ``offset``.
        """
        form = ListForm(
            None, ('offset', 'total_frames') if self.with_offset else ('total_frames', ),
            'needed' if self.need_labels or self.multi_class else 'optional', self.multi_class,
            self.num_classes)
        info_of = partial(
            _info, joiner(self.data_prefix['img']), self.multi_class, self.with_offset)
        check = self.modality == 'RGB' and is_main_process()
        return samples_of(self, form, info_of,
                          partial(self._check_counts, info_of) if check else None)

    def _check_counts(self, info_of: Callable[[ListLine], dict], line: ListLine) -> None:
        number, name, _, labels = line
        info = info_of(line)
        folder, total = info['frame_dir'], info['total_frames']
        where, shown = f'{printable(self.ann_file)}:{number}', printable(folder)
        if total < 1:
            raise ValueError(f'{where}: total_frames must be at least 1, got {total}')
        backend = get_file_backend(folder, enable_singleton=True)

        def holds(number: int) -> bool:
            """Whether the folder holds the n-th frame, counted from 1 after the offset."""
            frame = self.filename_tmpl.format(
                self.start_index + info.get('offset', 0) + number - 1)
            return backend.isfile(join_path(folder, frame))

        has_last = holds(total)
        if has_last and not holds(total + 1):
            return
        if not has_last and not backend.isdir(folder):
            if name.rpartition(' ')[2].isdecimal():
                raise ValueError(
                    f'{where}: a line has too many fields, or the folder {shown!r} is missing')
            return
        if (len(labels) == 1 and not self.with_offset and labels[0] != total and labels[0] > 0
                and holds(labels[0]) and not holds(labels[0] + 1)):
            raise ValueError(
                f'{where}: the frame count must stand before the label, but {shown} holds '
                f'{labels[0]} frames, not {total}; swap the two columns of the list')
        if not has_last:
            raise ValueError(
                f'{where}: total_frames is {total}, but {shown} lacks its last frame; '
                'check the count, filename_tmpl and start_index')


def _info(path_of: Callable[[str], str], several: bool, with_offset: bool, line: ListLine) -> dict:
    """What the host's data set says of a video."""
    labels = line.labels or (-1, )
    info = dict(frame_dir=path_of(line.path), total_frames=line.counts[-1],
                label=list(labels) if several else labels[0])
    return info | (dict(offset=line.counts[0]) if with_offset else {})
