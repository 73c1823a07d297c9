"""Whether a config's keys are read at all, and whether its rates fit the network."""
import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import NamedTuple

from mmengine.config import Config
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from amd_mm.input_shape import SHAPE_KEYS
from amd_mm.resolved_config import KEYS_READ

# What each constructor of an optimizer reads of paramwise_cfg; any other constructor is its
# author's business.
_DEFAULT = 'mmengine.DefaultOptimWrapperConstructor'
_IMAGE_DECAY = 'mmpretrain.LearningRateDecayOptimWrapperConstructor'
_DENSE_DECAY = 'amd_mm.LayerDecayConstructor'
_VIDEO_DECAY = 'mmaction.LearningRateDecayOptimizerConstructor'
_DECAY_READS = ('layer_decay_rate', 'bias_decay_mult', 'norm_decay_mult', 'flat_decay_mult',
                'custom_keys')
_PARAMWISE = {
    _DEFAULT: ('custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult',
               'flat_decay_mult', 'dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate'),
    _IMAGE_DECAY: _DECAY_READS,
    _DENSE_DECAY: _DECAY_READS,
    _VIDEO_DECAY: ('num_layers', 'decay_rate', 'decay_type'),
}
_MULTIPLIERS = ('lr_mult', 'decay_mult')
_FREEZE = 'freeze a backbone of ours with model.backbone.frozen=True'


def check_names(cfg: Config) -> None:
    """Look at the top level of a config for keys that are nearly, but not quite, read.

    Other keys are variables of the config's own. A misspelt key shares its first letter with the
    right one, and one such as ``val_evaluator_own`` is a variable.

    Raises:
        ValueError: With the key that was probably meant.
    """
    for key in cfg:
        # Names as short as those of the size are near to many that are no mistakes.
        alike = [known for known in KEYS_READ - {*SHAPE_KEYS} if known[0] == key[0]]
        if key in KEYS_READ or any(key.startswith(f'{known}_') for known in alike):
            continue
        meant = _nearest(key, alike, .8)
        if meant:
            raise ValueError(
                f'a key at the top of a config must not nearly be one that is read, got {key!r}; '
                f'write {meant!r}, or give a variable of your own another name')


def check_paramwise(cfg: Config) -> None:
    """Look, before anything is built, whether all of ``paramwise_cfg`` is read.

    Raises:
        ValueError: If the constructor of the optimizer passes over a key.
    """
    constructor, paramwise = _paramwise(cfg)
    read = _PARAMWISE.get(constructor)
    if read is None:
        return
    for key in paramwise:
        if key not in read:
            meant = _nearest(key, read, .75)
            remedy = f'write {meant!r}' if meant else 'remove it'
            raise ValueError(
                f'paramwise_cfg must hold only what {constructor} reads ({", ".join(read)}), got '
                f'{key!r}; {f"remove it and {_FREEZE}" if key == "custom_keys" else remedy}')
    for key, settings in paramwise.get('custom_keys', {}).items():
        _check_multipliers(f'custom_keys[{key!r}]', settings, constructor)


def check_rates(cfg: Config, model: nn.Module) -> None:
    """Look whether ``paramwise_cfg`` fits the network: its depth, and the names in it.

    A custom key that matches no weight may stem from a schedule for other networks; it is
    refused where it would set a rate or is nearly the name of a part.

    Args:
        cfg: Of a training run.
        model: The network, not wrapped.

    Raises:
        ValueError: If layer decay counts other layers, or a custom key misses its part.
    """
    constructor, paramwise = _paramwise(cfg)
    names = [name for name, _ in model.named_parameters()]
    if constructor == _VIDEO_DECAY:
        _check_depth(paramwise.get('num_layers'), names)
    elif constructor in _PARAMWISE:
        for key, settings in paramwise.get('custom_keys', {}).items():
            _check_custom_key(key, settings, names)


class _Paramwise(NamedTuple):
    """Package and name of an optimizer's constructor, and what it is given."""
    constructor: str
    settings: dict


def _paramwise(cfg: Config) -> _Paramwise:
    wrapper = cfg.get('optim_wrapper')
    if not isinstance(wrapper, dict) or not wrapper.get('paramwise_cfg'):
        return _Paramwise('', {})
    constructor = wrapper.get('constructor', 'DefaultOptimWrapperConstructor')
    if isinstance(constructor, str):
        scope = cfg.get('default_scope', 'mmengine')
        with OPTIM_WRAPPER_CONSTRUCTORS.switch_scope_and_registry(scope) as registry:
            constructor = registry.get(constructor)
    if constructor is None:
        return _Paramwise('', {})  # building it says so
    package = constructor.__module__.partition('.')[0]
    return _Paramwise(f'{package}.{constructor.__name__}', wrapper['paramwise_cfg'])


def _check_multipliers(who: str, settings: dict, constructor: str) -> None:
    """Other settings than the multipliers are the optimizer's own, such as ``betas``."""
    if constructor in (_IMAGE_DECAY, _DENSE_DECAY) and 'lr_mult' in settings:
        raise ValueError(
            f'{who} must leave the rate to {constructor}, which ignores lr_mult, got '
            f'lr_mult={settings["lr_mult"]}; remove it (to freeze: {_FREEZE})')
    for key in settings:
        meant = _nearest(key, _MULTIPLIERS, .7)
        if meant and key not in _MULTIPLIERS:
            raise ValueError(
                f'{who} must hold lr_mult, decay_mult or settings of the optimizer, got {key!r}; '
                f'write {meant!r}')


def _check_depth(num_layers: int | None, names: Iterable[str]) -> None:
    """The host numbers ``backbone.blocks``, and knows no other network."""
    blocks = {int(found[1]) for name in names
              if (found := re.match(r'backbone\.blocks\.(\d+)\.', name))}
    if blocks and num_layers != len(blocks):
        raise ValueError(
            f'num_layers of layer decay must be the depth of the network, {len(blocks)}, got '
            f'{num_layers}; set optim_wrapper.paramwise_cfg.num_layers={len(blocks)}')


def _check_custom_key(key: str, settings: dict, names: Collection[str]) -> None:
    # MMEngine puts a point before a weight of the model itself, and none before its parts.
    if any(key in (name if '.' in name else f'.{name}') for name in names):
        return
    parts = {'.'.join(words[start:start + key.strip('.').count('.') + 1])
             for words in (name.split('.') for name in names) for start in range(len(words))}
    meant = _nearest(key.strip('.'), parts, .8)
    if meant or 'lr_mult' in settings:
        raise ValueError(
            f'a key in custom_keys must be part of the name of a weight, got {key!r}; '
            + (f'write {meant!r}' if meant else
               f'name a part of the model ({", ".join(sorted(_roots(names)))}) or remove it'))


def _roots(names: Iterable[str]) -> set[str]:
    return {name.partition('.')[0] for name in names}


def _nearest(key: str, known: Iterable[str], cutoff: float) -> str | None:
    return next(iter(get_close_matches(key, sorted(known), 1, cutoff)), None)
