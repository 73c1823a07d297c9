"""Classes of a data set: where they come from, and whether labels agree with them."""
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from os.path import join

from mmengine.config import ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.fileio import exists, list_from_file
from mmengine.logging import print_log

from amd_mm.registry import DATASETS

# What mmpretrain.CustomDataset takes for images.
IMAGE_EXTENSIONS = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif')
_SHOWN = 5


def read_classes(path: str) -> tuple[str, ...]:
    """Read class names, one a line, label 0 first.

    Raises:
        ValueError: For an empty file, an empty line or a name that stands there twice.
    """
    names = [line.strip() for line in list_from_file(path)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or '' in names or twice:
        found = f'{twice[0]!r} twice' if twice else 'an empty line' if names else 'no line'
        raise ValueError(
            f'{path}: a class list must have one name a line, each once, but there is {found}')
    return tuple(names)


def class_folders(folder: str, extensions: Sequence[str]) -> tuple[str, ...]:
    """Class names of a folder that holds one folder a class, sorted.

    Args:
        folder: The folder.
        extensions: Endings of files that count, in lower case.

    Raises:
        ValueError: If there is no class folder, or one holds no such file; names them.
    """
    if not os.path.isdir(folder):
        raise ValueError(f'{folder}: must be a folder with one folder a class, but is missing; '
                         'check data_root and data_prefix')
    names = sorted(entry.name for entry in os.scandir(folder)
                   if entry.is_dir() and not entry.name.startswith('.'))
    if not names:
        raise ValueError(f'{folder}: must hold one folder a class, found none')
    empty = [name for name in names if not any(
        file.lower().endswith(tuple(extensions))
        for _, _, files in os.walk(join(folder, name)) for file in files)]
    if empty:
        raise ValueError(
            f'{folder}: every class folder must hold at least one file ending in '
            f'{", ".join(sorted(extensions))}, but {len(empty)} hold none: {_few(empty)}; fill or '
            'remove them')
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
    labels = {label for index in range(len(dataset))
              for label in _labels(dataset.get_data_info(index))}
    wrong = sorted(label for label in labels if not 0 <= label < num_classes)
    if wrong:
        raise ValueError(
            f'{name}: labels must be in [0, {num_classes}), the number of classes, got '
            f'{_few(wrong)}; check the list or the class list')
    return labels


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
    labels = check_range(dataset, len(classes), name)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    missing = [path for path in map(_path, infos) if not exists(path)]
    if missing:
        raise ValueError(
            f'{name}: every file must exist, but {len(missing)} of {len(infos)} are missing: '
            f'{_few(missing)}; check data_prefix, or make the list again')
    without = [f'{classes[label]!r} ({label})'
               for label in sorted(set(range(len(classes))) - labels)]
    if without:
        rule = (f'{name}: every class must have a sample, but {len(without)} of {len(classes)} '
                f'have none: {_few(without)}')
        if need_all:
            raise ValueError(f'{rule}; check that list and class list belong together')
        print_log(f'{rule}; their accuracy cannot be measured', 'current', level=30)


def fill_classes(cfg: ConfigDict) -> tuple[str, ...]:
    """Take the classes from the training data and check the labels of all data, in place.

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
    loaders = {name: _inner_dataset(cfg[f'{name}_dataloader'].dataset)
               for name in ('train', 'val', 'test') if cfg.get(f'{name}_dataloader')}
    found = {name: _classes_of(dataset) for name, dataset in loaders.items()}
    first, *_ = found
    classes = found[first]
    for name, others in found.items():
        if others != classes:
            apart = sorted(set(others) ^ set(classes))
            what = f'only one of the two has {_few(apart)}' if apart else 'their order differs'
            raise ValueError(
                f'{name} data: must have the classes of the {first} data, in that order, but '
                f'{what}; one class more or less would shift every label after it')
    _set_num_classes(list(cfg.values()), len(classes))
    for name, dataset in loaders.items():
        dataset.metainfo = dict(classes=classes)
        built = DATASETS.build(dict(dataset, pipeline=[], lazy_init=False))
        check_labels(built, classes, f'{name} data', need_all=name == 'train')
    print_log(f'{len(classes)} classes from the {first} data: {_few(classes)}', 'current')
    return classes


def _inner_dataset(dataset: ConfigDict) -> ConfigDict:
    """The data set that reads labels, inside wrappers."""
    while isinstance(dataset.get('dataset'), dict):
        dataset = dataset.dataset
    return dataset


def _classes_of(dataset: ConfigDict) -> tuple[str, ...]:
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
    return class_folders(folder, IMAGE_EXTENSIONS)


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


def _labels(info: dict) -> list[int]:
    label = info['label'] if 'label' in info else info['gt_label']
    return label if isinstance(label, list) else [int(label)]


def _path(info: dict) -> str:
    return next(info[key] for key in ('filename', 'img_path', 'frame_dir') if key in info)


def _few(items: Sequence[object]) -> str:
    rest = f' and {len(items) - _SHOWN} more' if len(items) > _SHOWN else ''
    return ', '.join(str(item) for item in items[:_SHOWN]) + rest
