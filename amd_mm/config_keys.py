"""Which keys a config can have: of a part, those of its class; else those that MMEngine reads."""
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from inspect import Parameter
from typing import Any, NamedTuple

from mmengine import registry as registries
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.registry import Registry
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    TestLoop,
    ValLoop,
)
from mmengine.runner.utils import set_random_seed
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from amd_mm.resolved_config import KEYS_READ

__all__ = ['check_keys', 'merge_options', 'nearest']

Place = tuple[str, ...]

# Where the parts are that a key holds, one or a list of them. Parts at other keys (activations,
# policies of an augmentation) have settings that whoever builds them takes out first.
_PARTS = dict(
    model=registries.MODELS, backbone=registries.MODELS, neck=registries.MODELS,
    head=registries.MODELS, teacher=registries.MODELS, decoder=registries.MODELS,
    cls_head=registries.MODELS, mask_generator=registries.MODELS,
    data_preprocessor=registries.MODELS, direct=registries.MODELS,
    generation=registries.MODELS, loss=registries.MODELS,
    strategy=registries.MODELS, decoder_strategy=registries.MODELS,
    dataset=registries.DATASETS, pipeline=registries.TRANSFORMS,
    sampler=registries.DATA_SAMPLERS, batch_sampler=registries.DATA_SAMPLERS,
    custom_hooks=registries.HOOKS, default_hooks=registries.HOOKS,
    train_cfg=registries.LOOPS, val_cfg=registries.LOOPS, test_cfg=registries.LOOPS,
    val_evaluator=registries.METRICS, test_evaluator=registries.METRICS,
    optim_wrapper=registries.OPTIM_WRAPPERS, optimizer=registries.OPTIMIZERS,
    param_scheduler=registries.PARAM_SCHEDULERS, visualizer=registries.VISUALIZERS,
    vis_backends=registries.VISBACKENDS, log_processor=registries.LOG_PROCESSORS)
# What is taken out of a part before it is built.
_TAKEN_OUT = {
    registries.HOOKS: ('priority', ), registries.PARAM_SCHEDULERS: ('convert_to_iter_based', ),
    registries.OPTIM_WRAPPERS: ('constructor', 'paramwise_cfg'),
    registries.LOOPS: ('by_epoch', )}
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_ALWAYS = frozenset({'type', '_scope_', '_delete_'})
# The class of a part that needs no type.
_DEFAULT_TYPES: dict[Place, tuple[Callable, ...]] = {
    ('train_cfg', ): (EpochBasedTrainLoop, IterBasedTrainLoop), ('val_cfg', ): (ValLoop, ),
    ('test_cfg', ): (TestLoop, ), ('log_processor', ): (LogProcessor, )}
# Settings that are no parts, and who reads them.
_READERS: dict[Place, tuple[Callable, ...]] = {
    ('train_dataloader', ): (DataLoader, ), ('val_dataloader', ): (DataLoader, ),
    ('test_dataloader', ): (DataLoader, ), ('randomness', ): (set_random_seed, ),
    ('env_cfg', 'mp_cfg'): (set_multi_processing, ), ('env_cfg', 'dist_cfg'): (init_dist, ),
    ('custom_imports', ): (import_modules_from_strings, )}
# Taken out of a loader's settings by the Runner.
_LOADER_ONLY = ('num_batch_per_epoch', )
_NAMES: dict[Place, tuple[str, ...]] = {
    ('env_cfg', ): ('cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit', 'meeting_timeout',
                    'first_batch_timeout'),
    ('auto_scale_lr', ): ('enable', 'base_batch_size')}


class _Keys(NamedTuple):
    """Keys that are known, and whether others may be read all the same."""
    known: frozenset[str]
    is_open: bool


_ANY = _Keys(frozenset(), True)


def nearest(name: str, known: Iterable[str], cutoff: float = .6) -> str | None:
    """The known name that is spelt most like this one, if one is."""
    return next(iter(get_close_matches(name, sorted(known), 1, cutoff)), None)


def merge_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Change a config by dotted keys, as ``--cfg-options`` has them, in place.

    Args:
        cfg: As its files have it.
        options: Values by dotted key; a number is a position in a list.

    Raises:
        ValueError: For a position past the end of a list, a key below a value that has none, or a
            key that nothing reads, or options of which one is below another's value.
    """
    before = cfg.to_dict()
    for key in options:
        _check_reachable(key, before, options)
    try:
        cfg.merge_from_dict(dict(options))
    except (AttributeError, KeyError, TypeError) as error:  # MMEngine's, of a key and one below it
        raise ValueError(f'--cfg-options must not contradict each other, got '
                         f'{", ".join(options)} ({error}); leave one out') from error
    after = cfg.to_dict()
    for key in options:
        _check_read(key, before, after)


def check_keys(cfg: Config) -> None:
    """Look at all of a config for types that are not registered and keys that nothing reads.

    Keys at the top may be variables of the config's own.

    Raises:
        ValueError: With the name that was probably meant.
    """
    content = cfg.to_dict()
    for place, part in _dicts(content, ()):
        if place:
            keys = _keys(place, part, content)
            for key in part:
                if not _is_read(key, keys):
                    raise _unread('.'.join((*place, key)), key, keys.known)


def _check_reachable(key: str, before: dict, options: Mapping[str, Any]) -> None:
    """Raise a ValueError if the way to a key leads through a list's end or a plain value."""
    value: Any = before
    parts = key.split('.')
    for number, part in enumerate(parts):
        place = '.'.join(parts[:number])
        if f'{place}._delete_' in options:
            return
        if isinstance(value, dict):
            if part not in value:
                return
            value = value[part]
        elif isinstance(value, list):
            if not part.isdecimal() or int(part) >= len(value):
                raise ValueError(
                    f'--cfg-options {key}: a position in the list {place} must be from 0 to '
                    f'{len(value) - 1}, got {part!r}; give the whole list to make it longer')
            value = value[int(part)]
        else:
            raise ValueError(
                f'--cfg-options {key}: {place} must have keys for one to be set, but is '
                f'{value!r}; set {place} as a whole, or add {place}._delete_=True')


def _check_read(key: str, before: dict, after: dict) -> None:
    """Raise a ValueError if nothing reads a key that the options have set."""
    value: Any = after
    parts = key.split('.')
    for number, part in enumerate(parts):
        if not isinstance(value, (dict, list)):
            return
        # A type is looked up, another key that was there before is believed.
        is_checked = number == 0 or part == 'type' or not _has(before, parts[:number + 1])
        if isinstance(value, dict) and is_checked:
            keys = _keys(tuple(parts[:number]), value, after)
            if not _is_read(part, keys):
                raise _unread(f'--cfg-options {key}', part, keys.known,
                              is_variable=number == 0 and part in before)
        if part == '_delete_':
            return
        value = value[int(part)] if isinstance(value, list) else value[part]


def _has(content: Any, parts: Collection[str]) -> bool:
    for part in parts:
        if isinstance(content, list) and part.isdecimal():
            content = content[int(part)]
        elif isinstance(content, dict) and part in content:
            content = content[part]
        else:
            return False
    return True


def _unread(subject: str, key: str, known: Collection[str],
            is_variable: bool = False) -> ValueError:
    if is_variable:
        return ValueError(
            f'{subject}: a key must be read by a run, but {key!r} is a variable, which only the '
            "config's own files use, and they have been read by then; set the keys that it stands "
            'for (amd-mm config lists them)')
    meant = nearest(key, known)
    remedy = f'write {meant!r}' if meant else f'there are {", ".join(sorted(known))}'
    return ValueError(f'{subject}: a key must be one that is read, got {key!r}; {remedy}')


def _is_read(key: str, keys: _Keys) -> bool:
    if key in keys.known or key in _ALWAYS:
        return True
    return keys.is_open and nearest(key, keys.known, .85) is None


def _dicts(value: Any, place: Place) -> Iterator[tuple[Place, dict]]:
    """All dictionaries below a key that a run reads, with their places."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        yield place, value
        for key, item in value.items():
            if place or key in KEYS_READ:
                yield from _dicts(item, (*place, key))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _dicts(item, (*place, str(number)))


def _keys(place: Place, part: dict, cfg: dict) -> _Keys:
    """What a dictionary of a config can hold."""
    if not place:
        return _Keys(frozenset(KEYS_READ), False)
    if place in _NAMES:
        return _Keys(frozenset(_NAMES[place]), False)
    if place == ('default_hooks', ):
        return _ANY
    if place == ('held_out_data', ):
        return _data_keys(cfg)
    if place in _READERS:
        return _readers_keys(_READERS[place], _LOADER_ONLY if DataLoader in _READERS[place] else ())
    registry = _registry(place)
    if registry is None or (registry is registries.METRICS and 'metrics' in part):
        return _ANY
    if 'type' not in part:
        readers = _DEFAULT_TYPES.get(place)
        return _readers_keys(readers, _TAKEN_OUT.get(registry, ())) if readers else _ANY
    build = _find(part['type'], '.'.join(place), registry, _scope(place, cfg))
    return _readers_keys((build, ), _TAKEN_OUT.get(registry, ())) if build else _ANY


def _data_keys(cfg: dict) -> _Keys:
    """Those of the innermost data set of training."""
    place: Place = ('train_dataloader', )
    part = cfg.get('train_dataloader')
    while isinstance(part, dict) and isinstance(part.get('dataset'), dict):
        place, part = (*place, 'dataset'), part['dataset']
    return _keys(place, part, cfg) if isinstance(part, dict) else _ANY


def _registry(place: Place) -> Registry | None:
    """Where the type of the part at a place is looked up; None where that is not known."""
    names = [name for name in place if not name.isdigit()]
    if len(names) == 2 and names[0] == 'default_hooks':
        return registries.HOOKS
    # What strategy a run has is none of masks.
    if names[-1] == 'strategy' and names[0] != 'model':
        return None
    # A model's own train_cfg and test_cfg are no loops.
    if names[-1] in ('train_cfg', 'val_cfg', 'test_cfg', 'default_hooks') and len(names) > 1:
        return None
    registry = _PARTS.get(names[-1]) if names[0] in KEYS_READ else None
    # Nor is what a detector calls a sampler one of data.
    return None if names[0] == 'model' and registry is not registries.MODELS else registry


def _scope(place: Place, cfg: dict) -> str | None:
    """The scope that a part, or the nearest part around it, names."""
    scope = None
    part: Any = cfg
    for name in place:
        part = part[int(name)] if isinstance(part, (list, tuple)) else part[name]
        if isinstance(part, dict):
            scope = part.get('_scope_', scope)
    return scope


def _find(name: Any, key: str, registry: Registry, scope: str | None) -> Callable | None:
    """The class or function behind a type.

    Raises:
        ValueError: If none is registered under this name.
    """
    if callable(name):
        return name
    if not isinstance(name, str):
        raise ValueError(f'{key}.type must be a name or a class, got {name!r}; write a name')
    if scope is not None and not isinstance(scope, str):
        raise ValueError(f'the _scope_ of {key} must be the name of a package, got {scope!r}; '
                         'remove it')
    with registry.switch_scope_and_registry(scope) as here:
        try:
            found = here.get(name)
        except Exception:  # MMEngine imports what a name could be the path of.
            found = None
        if found is not None:
            return found
        names = [f'{prefix}{known}' for one in _family(here)
                 for prefix in ({'', f'{one.scope}.'} if one is here else {f'{one.scope}.'})
                 for known in one.module_dict]
    meant = nearest(name, names)
    raise ValueError(
        f'{key}.type must be registered as a {registry.name}, got {name!r}; '
        + (f'write {meant!r}' if meant else 'correct it')
        + ', or import the module that registers it by custom_imports')


def _family(registry: Registry) -> Iterator[Registry]:
    """A registry, its parents and its parents' children."""
    while registry.parent is not None:
        yield registry
        registry = registry.parent
    yield registry
    yield from registry.children.values()


def _readers_keys(readers: Iterable[Callable], besides: Iterable[str]) -> _Keys:
    found = [_arguments(reader) for reader in readers]
    return _Keys(frozenset(besides).union(*(keys.known for keys in found)),
                 all(keys.is_open for keys in found))


def _arguments(build: Callable) -> _Keys:
    """The arguments of a function or a class, with those that it may hand to its bases.

    Where ``**kwargs`` go is not known, that they end in a base is only likely.
    """
    functions = ([vars(base)['__init__'] for base in build.__mro__ if '__init__' in vars(base)]
                 if inspect.isclass(build) else [build])
    known: set[str] = set()
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # Written in C.
            return _Keys(frozenset(known), True)
        kinds = {parameter.name: parameter.kind for parameter in parameters}
        known.update(name for name, kind in kinds.items() if kind not in _VARIABLE)
        if Parameter.VAR_KEYWORD not in kinds.values():
            return _Keys(frozenset(known - {'self'}), function is not functions[0])
    return _Keys(frozenset(known - {'self'}), True)
