"""Registries of ``amd_mm``: children of MMEngine's, under the scope ``amd_mm``.

A type written ``amd_mm.Name`` in a config makes MMEngine import this module;
``locations`` then tell it where the parts are, so no ``custom_imports`` is
needed for our own types.
"""
from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import RUNNERS as MMENGINE_RUNNERS
from mmengine.registry import STRATEGIES as MMENGINE_STRATEGIES
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

__all__ = [
    'DATASETS', 'DATA_SAMPLERS', 'HOOKS', 'LOOPS', 'METRICS', 'MODELS',
    'OPTIM_WRAPPER_CONSTRUCTORS', 'RUNNERS', 'STRATEGIES', 'TRANSFORMS'
]

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='amd_mm', locations=['amd_mm.models'])
DATASETS = Registry(
    'dataset', parent=MMENGINE_DATASETS, scope='amd_mm', locations=['amd_mm.datasets'])
TRANSFORMS = Registry(
    'transform', parent=MMENGINE_TRANSFORMS, scope='amd_mm',
    locations=['amd_mm.datasets.transforms'])
DATA_SAMPLERS = Registry(
    'data sampler', parent=MMENGINE_DATA_SAMPLERS, scope='amd_mm',
    locations=['amd_mm.datasets.samplers'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='amd_mm', locations=['amd_mm.engine'])
LOOPS = Registry('loop', parent=MMENGINE_LOOPS, scope='amd_mm', locations=['amd_mm.engine'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='amd_mm', locations=['amd_mm.engine'])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor', parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS, scope='amd_mm',
    locations=['amd_mm.engine'])
RUNNERS = Registry('runner', parent=MMENGINE_RUNNERS, scope='amd_mm', locations=['amd_mm.engine'])
STRATEGIES = Registry(
    'strategy', parent=MMENGINE_STRATEGIES, scope='amd_mm', locations=['amd_mm.engine'])
