"""Classes of a data set: where they come from, and whether labels agree with them."""
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from os.path import join
from typing import Any, NamedTuple

import numpy as np
from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.fileio import LocalBackend, exists, get_file_backend
from mmengine.logging import print_log
from torch import Tensor

from amd_mm.datasets.coco_check import coco_classes
from amd_mm.datasets.files import PICTURES, class_folders, few
from amd_mm.datasets.keyed_dataset import KeyedDataset
from amd_mm.datasets.listed import ListedSamples
from amd_mm.datasets.lists import said_while
from amd_mm.datasets.shards import file_of
from amd_mm.datasets.text_files import read_text

_OF_SEVERAL_LABELS = {'mean_average_precision', 'mmit_mean_average_precision'}
_OF_ONE_LABEL = ('acc/top1', 'acc/top5', 'acc/mean1')
_SEVERAL_METRIC = "dict(type='mmaction.AccMetric', metric_list='mean_average_precision')"


def read_classes(path: str) -> tuple[str, ...]:
    """Read class names, one a line, label 0 first.

    Raises:
        ValueError: For an empty file, an empty line or a name that stands there twice.
    """
    text = read_text(path).rstrip('\r\n')
    names = [line.strip() for line in text.split('\n')] if text else []
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or '' in names or twice:
        found = f'{twice[0]!r} twice' if twice else 'an empty line' if names else 'no line'
        raise ValueError(
            f'{path}: a class list must have one name a line, each once, but there is {found}')
    return tuple(names)


def check_range(dataset: BaseDataset, num_classes: int, name: str) -> set[int]:
    """Which labels a data set holds; nothing is decoded.

    Args:
        dataset: One of the hosts' kind.
        num_classes: Labels must be in [0, num_classes).
        name: What to call it in messages.

    Raises:
        ValueError: If a label is out of range.
    """
    listed = _listed(dataset)
    labels: set[int] = set() if listed is None else set(listed)
    if listed is None:
        for info in _infos(dataset, name):
            labels.update(_labels(info))
    return _require_range(labels, num_classes, name)


def check_labels(dataset: BaseDataset, classes: Sequence[str], name: str,
                 need_all: bool = True) -> None:
    """Compare the samples of a data set with its classes and with the disk.

    Args:
        dataset: One of the hosts' kind; nothing is decoded.
        classes: Class names, label 0 first.
        name: What to call it in messages.
        need_all: Whether a class without a sample is an error; else it is logged.

    Raises:
        ValueError: If a label is out of range, a class has no sample or a file is missing;
            counts and lists what is wrong.
    """
    labels: set[int] = set()
    missing, files = [], _Files()
    for info in _infos(dataset, name):
        labels.update(_labels(info))
        if (path := _path(info)) not in files:
            missing.append(path)
    _require_range(labels, len(classes), name)
    if missing:
        raise ValueError(
            f'{name}: every file must exist, but {len(missing)} of {len(dataset)} are missing: '
            f'{few(missing)}; check data_prefix, or make the list again')
    without = [f'{classes[label]!r} ({label})'
               for label in sorted(set(range(len(classes))) - labels)]
    if without:
        rule = (f'{name}: every class must have a sample, but {len(without)} of {len(classes)} '
                f'have none: {few(without)}')
        if need_all:
            raise ValueError(f'{rule}; check that list and class list belong together')
        print_log(f'{rule}; their accuracy cannot be measured', 'current', level=30)


class _Files:
    """What is on disk, asked a folder at a time: a question a file is slow over a network."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def __contains__(self, path: str) -> bool:
        path = file_of(path)
        if not isinstance(get_file_backend(path, enable_singleton=True), LocalBackend):
            return exists(path)
        folder, name = os.path.split(path)
        if folder not in self._names:
            self._names[folder] = self._list(folder or '.')
        return name in self._names[folder]

    @staticmethod
    def _list(folder: str) -> set[str]:
        try:
            return {entry.name for entry in os.scandir(folder)
                    if not entry.is_symlink() or os.path.exists(entry.path)}
        except OSError:
            return set()


def fill_classes(cfg: ConfigDict) -> tuple[str, ...]:
    """Take the classes from the training data, in place; no label is looked at.

    The classes are ``metainfo=dict(classes=FILE)`` of the training data set or, for a folder
    of class folders, the folders' names. Every data set gets them, and every
    ``num_classes=None`` of the config becomes their number.

    Args:
        cfg: A config with train_dataloader, val_dataloader and test_dataloader.

    Returns:
        The class names.

    Raises:
        ValueError: If something does not fit.
    """
    parts = {name: list(leaf_datasets(cfg[f'{name}_dataloader'].dataset))
             for name in ('train', 'val', 'test') if cfg.get(f'{name}_dataloader')}
    first, *_ = parts
    classes = _classes_of(parts[first][0])
    for name, datasets in parts.items():
        for dataset in datasets:
            _require_same(_classes_of(dataset), classes, name, first)
    _check_several_labels(cfg, parts)
    _set_num_classes(list(cfg.values()), len(classes))
    for dataset in chain(*parts.values()):
        dataset.metainfo = dict(classes=classes)
    print_log(f'{len(classes)} classes from the {first} data: {few(classes)}', 'current')
    return classes


class CocoFiles(NamedTuple):
    """What a data set of mmdet reads: annotations, the folder of pictures, a class list or None."""
    ann_file: str
    folder: str
    classes: tuple[str, ...] | None


def coco_files(cfg: ConfigDict) -> dict[str, list[CocoFiles]]:
    """The files of boxes of a config, by train, val and test, where these are such data."""
    parts = {part: [_coco_files_of(dataset)
                    for dataset in leaf_datasets(cfg[f'{part}_dataloader'].dataset)
                    if _is_coco(dataset)]
             for part in ('train', 'val', 'test') if cfg.get(f'{part}_dataloader')}
    return {part: files for part, files in parts.items() if files}


def _is_coco(dataset: ConfigDict) -> bool:
    return str(dataset.get('type')).rpartition('.')[2] == 'CocoDataset'


def _coco_files_of(dataset: ConfigDict) -> CocoFiles:
    root = dataset.get('data_root') or ''
    classes = (dataset.get('metainfo') or {}).get('classes')
    if isinstance(classes, str):
        classes = read_classes(classes)
    return CocoFiles(join(root, dataset.ann_file),
                     join(root, (dataset.get('data_prefix') or {}).get('img') or ''),
                     None if classes is None else tuple(classes))


def leaf_datasets(dataset: ConfigDict) -> Iterator[ConfigDict]:
    """The configs of the data sets that read labels, inside wrappers of one or several."""
    inner = dataset.get('datasets', dataset.get('dataset'))
    if not isinstance(inner, (dict, list, tuple)):
        yield dataset
        return
    for part in [inner] if isinstance(inner, dict) else inner:
        yield from leaf_datasets(part)


def _require_same(others: Sequence[str], classes: Sequence[str], name: str, first: str) -> None:
    if others != classes:
        apart = sorted(set(others) ^ set(classes))
        what = f'only one of the two has {few(apart)}' if apart else 'their order differs'
        raise ValueError(
            f'{name} data: must have the classes of the {first} data, in that order, but '
            f'{what}; one class more or less would shift every label after it')


def _check_several_labels(cfg: ConfigDict, parts: dict[str, list[ConfigDict]]) -> None:
    """Several labels a sample change the labels' form, and so what can read them.

    mmaction2 finds out in the middle: its head at the first step, its metrics after the first
    epochs.
    """
    several = {name: {bool(dataset.get('multi_class')) for dataset in datasets}
               for name, datasets in parts.items()}
    if len(set().union(*several.values())) > 1:
        raise ValueError(
            'multi_class must be the same in all data sets of a config, got '
            f'{ {name: sorted(found) for name, found in several.items()} }')
    if not several['train' if 'train' in several else next(iter(several))].pop():
        return
    for name in parts:
        for metric in dicts(cfg.get(f'{name}_evaluator')):
            listed = metric.get('metric_list', 'top_k_accuracy')
            listed = {listed} if isinstance(listed, str) else set(listed)
            kind = str(metric.get('type')).rpartition('.')[2]
            if kind == 'ConfusionMatrix' or (
                    kind == 'AccMetric' and not listed <= _OF_SEVERAL_LABELS):
                raise ValueError(
                    f'{name}_evaluator must measure several labels a sample (multi_class=True), '
                    f'got {dict(metric)}; take {_SEVERAL_METRIC}')
    best = (cfg.get('default_hooks') or {}).get('checkpoint', {}).get('save_best')
    if best in _OF_ONE_LABEL:
        raise ValueError(
            'default_hooks.checkpoint.save_best must be a metric of several labels a sample '
            f"(multi_class=True), got {best!r}; take 'acc/mean_average_precision', or None")


def _classes_of(dataset: ConfigDict) -> tuple[str, ...]:
    if _is_coco(dataset):
        files = _coco_files_of(dataset)
        return coco_classes(files.ann_file, files.classes)
    classes = dataset.get('metainfo', {}).get('classes')
    if isinstance(classes, str):
        return read_classes(classes)
    if classes is not None:
        return tuple(classes)
    if dataset.get('ann_file'):
        raise ValueError(
            f'{dataset.ann_file}: a list must come with its class names, found none; set '
            "metainfo=dict(classes='FILE') of the data set, one name a line")
    folder = join(dataset.get('data_root', ''), dataset.get('data_prefix', ''))
    return class_folders(folder, PICTURES).classes


def _set_num_classes(node: object, count: int) -> None:
    for value in _children(node):
        if isinstance(value, dict) and 'num_classes' in value and value['num_classes'] is None:
            value['num_classes'] = count
        _set_num_classes(value, count)


def _children(node: object) -> Iterator[object]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, (list, tuple)):
        yield from node


def dicts(node: object) -> list[dict]:
    """The configs in one that may be alone or a list, such as an evaluator's."""
    return [item for item in (node if isinstance(node, (list, tuple)) else [node])
            if isinstance(item, dict)]


def _listed(dataset: Any) -> frozenset[int] | None:
    """The labels of a data set that has seen all of them; None for any other one."""
    while isinstance(dataset, KeyedDataset):
        dataset = dataset.dataset
    samples = getattr(dataset, 'data_list', None)
    return samples.labels if isinstance(samples, ListedSamples) and len(samples) else None


def _infos(dataset: BaseDataset, name: str) -> Iterator[dict]:
    """The annotations of all samples, one at a time."""
    count = len(dataset)
    return said_while(name, 'samples', map(dataset.get_data_info, range(count)), count)


def _labels(info: dict) -> list[int]:
    if 'instances' in info:  # of mmdet
        return [instance['bbox_label'] for instance in info['instances']]
    label = info['label'] if 'label' in info else info['gt_label']
    if isinstance(label, Tensor):  # of mmaction2's multi_class, 1 where a class is one of them
        return label.nonzero().flatten().tolist()
    return [label] if isinstance(label, int) else np.atleast_1d(label).tolist()


def _require_range(labels: set[int], num_classes: int, name: str) -> set[int]:
    wrong = sorted(label for label in labels if not 0 <= label < num_classes)
    if wrong:
        raise ValueError(
            f'{name}: labels must be in [0, {num_classes}), the number of classes, got '
            f'{few(wrong)}; check the list or the class list')
    return labels


def _path(info: dict) -> str:
    return next(info[key] for key in ('filename', 'img_path', 'frame_dir') if key in info)
