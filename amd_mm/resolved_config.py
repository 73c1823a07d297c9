"""What a config resolves to: one flat page of settings, our parts' Python defaults filled in."""
import inspect
from collections.abc import Callable, Collection, Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner

from amd_mm import registry
from amd_mm.input_shape import SHAPE_KEYS

__all__ = ['Setting', 'difference', 'effective', 'page', 'settings']

REGISTRIES = [found for found in vars(registry).values()
              if isinstance(found, Registry) and found.scope == 'amd_mm']

# What is read of a config besides the Runner's arguments: by MMEngine, and by amd_mm.engine.
_READ_BESIDES = (
    'activation_checkpointing', 'compile', 'custom_imports', 'efficient_conv_bn_eval',
    'find_unused_parameters', 'init_weights_for_test_or_val', 'model_wrapper_cfg', 'runner_type',
    'strategy', 'sync_bn', 'global_batch_size', 'held_out_data', 'loggers', *SHAPE_KEYS)
KEYS_READ = ({*inspect.signature(Runner).parameters} - {'cfg'}) | {*_READ_BESIDES}
# In the order of the page; what else is read comes last.
SECTIONS = dict(
    model=('model', 'data_preprocessor'),
    data=('train_dataloader', 'held_out_data', 'val_dataloader', 'test_dataloader',
          'val_evaluator', 'test_evaluator', 'val_cfg', 'test_cfg'),
    optimisation=('global_batch_size', 'train_cfg', 'optim_wrapper', 'auto_scale_lr',
                  'param_scheduler'))

# Defaults that never count: the Runner gives a sampler its seed.
_GIVEN = frozenset({'seed'})
# Settings of a part of ours that it hands to the parts in it which do not say it themselves.
_HANDED_DOWN = frozenset({'with_cp'})

MARK = '  # default'
LEGEND = '# Marked as default: not in the config, but in the Python signature of a part of amd_mm.'


class Setting(NamedTuple):
    """A value, and whether it is a Python default."""
    value: Any
    is_default: bool

    def __str__(self) -> str:
        return f'{self.value!r}{MARK if self.is_default else ""}'


def effective(part: dict) -> dict[str, Any]:
    """The arguments of a part: the config's, and for the rest the defaults if it is one of ours.

    Args:
        part: Its config.

    Returns:
        ``type`` first, then in the order of the signature, others by the alphabet. An argument
        without a default that the config does not give is not there: whoever builds the part
        fills it in.

    Raises:
        ValueError: For a type of ours that does not exist.
    """
    build = _find(part.get('type'))
    parameters = inspect.signature(build).parameters if build is not None else {}
    defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    arguments = defaults | part
    order = dict.fromkeys(('type', *parameters, *sorted(arguments)))
    return {name: arguments[name] for name in order if name in arguments}


def settings(cfg: Config) -> dict[str, Setting]:
    """Every setting that a run of this config reads, under its dotted key, in the page's order.

    Keys are those of ``--cfg-options``. Variables that only the config's own files use are left
    out, and so are arguments that the part above fills in.

    Raises:
        ValueError: For a type of ours that does not exist.
    """
    plain = cfg.to_dict()
    given = _GIVEN | plain.keys() & {'data_preprocessor'}  # the Runner hands it to the model
    return {name: setting for keys in sections(plain).values() for key in keys
            for name, setting in _settings(key, plain[key], False, given)}


def sections(keys: Collection[str]) -> dict[str, list[str]]:
    """The top-level keys that are read, of those in a config, by section of the page."""
    named = {section: [key for key in order if key in keys] for section, order in SECTIONS.items()}
    rest = KEYS_READ.intersection(keys).difference(*named.values())
    return named | dict(runtime=sorted(rest))


def page(cfg: Config) -> str:
    """All settings, a line each, with a heading for each section.

    Raises:
        ValueError: For a type of ours that does not exist.
    """
    found = settings(cfg)
    lines = [LEGEND]
    for section, keys in sections(cfg.to_dict()).items():
        lines += ['', f'# {section}']
        lines += [f'{name} = {setting}' for name, setting in found.items()
                  if name.partition('.')[0] in keys]
    return '\n'.join(lines)


def difference(one: Config, other: Config) -> str:
    """The settings whose values differ: ``-`` of the one, ``+`` of the other.

    Raises:
        ValueError: For a type of ours that does not exist.
    """
    sides = dict(zip('-+', map(settings, (one, other)), strict=True))
    lines = []
    for name in _merged(*map(list, sides.values())):
        found = {sign: side[name] for sign, side in sides.items() if name in side}
        if len(found) < 2 or found['-'].value != found['+'].value:
            lines += [f'{sign} {name} = {setting}' for sign, setting in found.items()]
    return '\n'.join(lines)


def _merged(one: list[str], other: list[str]) -> dict[str, None]:
    """The keys of two pages, each once, where they stand in their pages."""
    changes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return dict.fromkeys(
        name for _, *span in changes for name in one[slice(*span[:2])] + other[slice(*span[2:])])


def _find(name: object) -> Callable | None:
    """The class or function behind a type of ours, None for anybody else's."""
    if callable(name) and name.__module__.startswith('amd_mm.'):
        return name
    if not isinstance(name, str) or not name.startswith('amd_mm.'):
        return None
    for candidates in REGISTRIES:
        found = candidates.get(name)
        if found is not None:
            return found
    raise ValueError(
        f'a type amd_mm.NAME of a config must be registered in amd_mm, got {name!r}; see '
        'docs/api.md for the names')


def _settings(key: str, value: Any, is_default: bool,
              given: Collection[str]) -> Iterator[tuple[str, Setting]]:
    """The settings at and below a key; ``given`` are arguments that somebody fills in."""
    if isinstance(value, dict) and value:
        arguments = effective(value)
        # What is no part, as one of several teachers, hands on what it is handed.
        below = _GIVEN | _HANDED_DOWN.intersection(arguments if 'type' in value else given)
        for name, argument in arguments.items():
            if name in value or name not in given:
                yield from _settings(
                    f'{key}.{name}', argument, is_default or name not in value, below)
    elif isinstance(value, (list, tuple)) and any(isinstance(v, (dict, list)) for v in value):
        for number, item in enumerate(value):
            yield from _settings(f'{key}.{number}', item, is_default, given)
    else:
        yield key, Setting(value, is_default)
