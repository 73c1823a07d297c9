"""Whether what a config names is there, before a model is built: files, packages, labels."""
import copy
import importlib.util
from collections.abc import Iterator, Sequence
from os.path import join
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DATASETS

from amd_mm.checkpoints.addresses import address_of
from amd_mm.datasets.labels import check_labels, coco_files, fill_classes
from amd_mm.datasets.mask_check import has_masks

# What a part imports when it is built, where that is no requirement of this package. By the last
# word of its type.
_PACKAGES = dict(
    TimmTeacher='timm', TransformersTeacher='transformers', TensorboardVisBackend='tensorboard',
    WandbVisBackend='wandb', MLflowVisBackend='mlflow', ClearMLVisBackend='clearml',
    NeptuneVisBackend='neptune', DVCLiveVisBackend='dvclive', AimVisBackend='aim')
_MODEL_FILES = ('checkpoint', )
# Whoever builds a wrapping data set hands these to nobody.
_DATA_FILES = ('ann_file', 'exclude_file', 'label_file', 'proposal_file')


class _Place(NamedTuple):
    """A file or folder that a config names, and the dotted key that names it."""
    key: str
    path: str


def check_places(cfg: Config, parts: Sequence[str]) -> None:
    """Look for the files and folders that a config names, all at once.

    Addresses, and data sets that read by a file backend of their own, are left to those who open
    them. What is in a file is looked at when it is read.

    Args:
        cfg: Of a run.
        parts: Whose data is used, of ``'train'``, ``'val'`` and ``'test'``.

    Raises:
        ValueError: With every place that is named but is not there.
    """
    places = _places(cfg, parts)
    missing = [place for place in places
               if address_of(place.path) is None and not Path(place.path).exists()]
    if missing:
        named = '; '.join(f'{place.path} ({place.key})' for place in dict.fromkeys(missing))
        raise ValueError(
            f'files and folders that a config names must be there, but these are not: {named}; '
            f'correct the config, or set them by --cfg-options {missing[0].key}=PATH')


def named_files(cfg: Config) -> list[_Place]:
    """The files that a config names, of those on this machine that are there; each once."""
    places = _places(cfg, ['train', 'val', 'test'])
    if cfg.get('load_from'):
        places.append(_Place('load_from', str(cfg.load_from)))
    return [place for place in dict.fromkeys(places) if Path(place.path).is_file()]


def check_packages(cfg: Config) -> None:
    """Look for the packages that parts import only when they are built.

    Raises:
        ModuleNotFoundError: For the first that is missing.
    """
    for part in _dicts({key: cfg.get(key) for key in ('model', 'visualizer')}):
        kind = part.get('type')
        name = _PACKAGES.get(kind.rpartition('.')[2] if isinstance(kind, str) else
                             getattr(kind, '__name__', ''))
        if name is not None and importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f'{kind} needs the package {name}', name=name)


def check_own_labels(cfg: Config, parts: Sequence[str]) -> list[str]:
    """Compare the labels of one's own data with its classes and with the disk.

    Data sets are built for it, which reads lists a second time. Several processes have not met yet
    and would all do so: there, and for boxes and masks, it is left to the hook that looks when
    training starts.

    Args:
        cfg: One whose classes are counted, see :func:`~amd_mm.datasets.labels.fill_classes`.
        parts: Of ``'train'`` and ``'val'``.

    Returns:
        Parts that were looked at.

    Raises:
        ValueError: See :func:`~amd_mm.datasets.labels.check_labels`.
    """
    if cfg.get('launcher', 'none') != 'none' or coco_files(cfg):
        return []
    cfg = copy.deepcopy(cfg)
    classes = fill_classes(cfg)
    checked = []
    for part in parts:
        dataset = DATASETS.build(cfg[f'{part}_dataloader'].dataset)
        dataset.full_init()
        if not has_masks(dataset):
            check_labels(dataset, classes, f'{part} data', need_all=part == 'train')
            checked.append(part)
    return checked


def _places(cfg: Config, parts: Sequence[str]) -> list[_Place]:
    places = [place for place in _model_places('model', cfg.get('model'))
              # What weights begin from is read by training only.
              if 'train' in parts or not place.key.endswith('init_cfg.checkpoint')]
    for part in parts:
        places += _data_places(f'{part}_dataloader', cfg.get(f'{part}_dataloader'))
    # Of nearest neighbours, which read it when they are first asked.
    places += _data_places('model.gallery', (cfg.get('model') or {}).get('gallery'))
    return places


def _dicts(value: Any) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _dicts(item)


def _model_places(key: str, value: Any) -> Iterator[_Place]:
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _model_places(f'{key}.{number}', item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in _MODEL_FILES and isinstance(item, str) and item:
                yield _Place(f'{key}.{name}', item)
            else:
                yield from _model_places(f'{key}.{name}', item)


def _data_places(key: str, value: Any) -> Iterator[_Place]:
    """Of the data sets below a key, however they are wrapped."""
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _data_places(f'{key}.{number}', item)
    if not isinstance(value, dict) or value.get('backend_args') or value.get('file_client_args'):
        return
    for name in ('dataset', 'datasets'):
        if name in value:
            yield from _data_places(f'{key}.{name}', value[name])
    root = value.get('data_root') or ''
    if root:
        yield _Place(f'{key}.data_root', root)
    named = {name: value.get(name) for name in _DATA_FILES}
    prefix = value.get('data_prefix')
    named |= ({f'data_prefix.{name}': folder for name, folder in prefix.items()}
              if isinstance(prefix, dict) else {'data_prefix': prefix})
    for name, path in named.items():
        if isinstance(path, str) and path:
            yield _Place(f'{key}.{name}', join(root, path))
    classes = (value.get('metainfo') or {}).get('classes')
    if isinstance(classes, str):  # a file of names, from no root
        yield _Place(f'{key}.metainfo.classes', classes)
