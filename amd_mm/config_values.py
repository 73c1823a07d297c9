"""What the settings of a run can be that MMEngine looks at late, or in words of its own."""
import logging
from typing import Any

from mmengine.config import Config

from amd_mm.values import (
    CONFIG,
    MAPPING,
    TEXT,
    Rule,
    either,
    list_of,
    number,
    one_of,
    optional,
    shown,
    whole,
)

__all__ = ['check_values', 'require']

_LOADER = {'batch_size': whole(1), 'num_workers': whole(0)}
_LOGGER = one_of('tensorboard', 'wandb', 'mlflow')
_OFF = Rule('False', lambda value: value is False)
_LOOP = {'max_epochs': whole(1), 'max_iters': whole(1), 'val_interval': whole(1),
         'val_begin': whole(0)}
# By dotted key; a key that is not there is not looked at.
_RULES: dict[str, Rule] = {
    'model': CONFIG, 'default_scope': optional(TEXT), 'work_dir': TEXT,
    'load_from': optional(TEXT), 'experiment_name': optional(TEXT),
    'train_dataloader': optional(MAPPING), 'val_dataloader': optional(MAPPING),
    'test_dataloader': optional(MAPPING), 'train_cfg': optional(MAPPING),
    'val_cfg': optional(MAPPING), 'test_cfg': optional(MAPPING),
    'optim_wrapper': optional(MAPPING), 'default_hooks': optional(MAPPING),
    'custom_hooks': optional(list_of(MAPPING, least=0)),
    'param_scheduler': optional(either(MAPPING, list_of(MAPPING, least=0))),
    'report': optional(either(_OFF, MAPPING)),
    'loggers': optional(either(_LOGGER, list_of(_LOGGER, least=0))),
    'env_cfg': MAPPING, 'randomness': MAPPING, 'randomness.seed': optional(whole(0)),
    'env_cfg.mp_cfg.mp_start_method': one_of('fork', 'spawn', 'forkserver'),
    **{f'env_cfg.{key}': number(above=0)
       for key in ('meeting_timeout', 'first_batch_timeout', 'dist_cfg.timeout')},
    'log_level': either(one_of(*logging._nameToLevel), whole(0)),
    'optim_wrapper.dtype': optional(one_of('float16', 'bfloat16', 'float32', 'float64')),
    'optim_wrapper.accumulative_counts': whole(1),
    'optim_wrapper.optimizer.lr': number(0), 'optim_wrapper.optimizer.weight_decay': number(0),
    'train_cfg.by_epoch': one_of(True, False), 'global_batch_size': optional(whole(1)),
    **{f'train_cfg.{key}': rule for key, rule in _LOOP.items()},
    **{f'{part}_dataloader.{key}': rule for part in ('train', 'val', 'test')
       for key, rule in _LOADER.items()},
}


def check_values(cfg: Config) -> None:
    """Hold the settings of a run to what they can be, before anything is built.

    Raises:
        ValueError: With the key, the rule and the value.
    """
    for key, rule in _RULES.items():
        value: Any = cfg
        parts = key.split('.')
        while parts and isinstance(value, (dict, Config)) and parts[0] in value:
            value = value[parts.pop(0)]
        if not parts and not rule.holds(value):
            raise ValueError(f'{key} must be {rule.says}, got {shown(value)}; set it in the '
                             f'config, or by --cfg-options {key}=VALUE')


def require(cfg: Config, *keys: str) -> None:
    """Raise a ValueError unless a config has something at each of these keys at its top."""
    missing = [key for key in keys if cfg.get(key) is None]
    if missing:
        raise ValueError(f'the config must have {", ".join(keys)} for this, but has no '
                         f'{", ".join(missing)}; add it, or take another config')
