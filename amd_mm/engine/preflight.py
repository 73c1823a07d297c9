"""Whether what a config names is there: files, folders and packages, before anything is built."""
import importlib.util
from collections.abc import Iterator, Sequence
from os.path import join
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from amd_mm.checkpoints.addresses import address_of

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


def _places(cfg: Config, parts: Sequence[str]) -> list[_Place]:
    places = [place for place in _model_places('model', cfg.get('model'))
              # What weights begin from is read by training only.
              if 'train' in parts or not place.key.endswith('init_cfg.checkpoint')]
    for part in parts:
        places += _data_places(f'{part}_dataloader', cfg.get(f'{part}_dataloader'))
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
