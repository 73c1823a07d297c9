"""mmpretrain and mmaction2: importing their models imports mmdetection, where it is installed."""
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from amd_mm.compat.fix import Fix, Verdict

# Modules that register parts for mmdetection, and the names that they then have.
_PARTS = {
    'mmpretrain.models.utils.res_layer_extra_norm': ('ResLayerExtraNorm', ),
    'mmaction.models.roi_heads': ('AVARoIHead', 'BBoxHeadAVA', 'SingleRoIExtractor3D', 'ACRNHead',
                                  'FBOHead', 'LFBInferHead'),
    'mmaction.models.task_modules': ('MaxIoUAssignerAVA', ),
}
_waiting: list[ModuleType] = []


def _imports_mmdet(module: ModuleType) -> Verdict:
    if 'mmdet.models' in sys.modules:
        return Verdict(False, 'mmdet is imported already')
    if importlib.util.find_spec('mmdet') is None:
        return Verdict(False, 'there is no mmdet')
    return Verdict(True, f'{module.__name__} would import mmdet.models')


@contextmanager
def _without_mmdet(module: ModuleType) -> Iterator[None]:
    """Execute the module as where there is no mmdet, which it is made for; again when there is."""
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules)
              if name.partition('.')[0] == 'mmdet'}
    sys.modules['mmdet'] = None  # type: ignore[assignment]  # Python's way to forbid an import
    try:
        yield
    finally:
        del sys.modules['mmdet']
        sys.modules.update(loaded)
    _waiting.append(module)
    for owner in (module, _package(module)):
        _import_for_names(owner, module)


def _package(module: ModuleType) -> ModuleType:
    return sys.modules[module.__name__.rpartition('.')[0]]


def _import_for_names(owner: ModuleType, module: ModuleType) -> None:
    """Let whoever asks for a part that is not there import mmdetection, and have it."""
    names, other = _PARTS[module.__name__], vars(owner).get('__getattr__')

    def find(name: str) -> object:
        if name in names and module in _waiting:
            importlib.import_module('mmdet.models')
            return vars(module)[name]
        if other is not None:
            return other(name)
        raise AttributeError(f'module {owner.__name__!r} has no attribute {name!r}')

    owner.__getattr__ = find  # type: ignore[method-assign]


def _some_wait(mmdet_models: ModuleType) -> Verdict:
    names = ', '.join(module.__name__ for module in _waiting)
    return Verdict(bool(_waiting), f'{names} waited for it' if names else 'nothing waited for it')


def _execute_again(mmdet_models: ModuleType) -> None:
    while _waiting:
        module = importlib.reload(_waiting.pop())
        for name in _PARTS[module.__name__]:
            if name in vars(module):
                setattr(_package(module), name, vars(module)[name])


FIXES = [
    *(Fix(name=f'{name.partition(".")[0]}-{name.rpartition(".")[2].replace("_", "-")}-mmdet',
          host=name.partition('.')[0],
          symptom='import mmpretrain.models, and with it every run, takes a second more than it '
                  'needs',
          affected='mmpretrain 1.2.0 and mmaction2 1.2.0, where mmdet is installed',
          link=link, trigger=name, check=_imports_mmdet, around=_without_mmdet)
      for name, link in zip(_PARTS, (
          'https://github.com/open-mmlab/mmpretrain/blob/v1.2.0/mmpretrain/models/utils/'
          'res_layer_extra_norm.py',
          'https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/roi_heads/'
          '__init__.py',
          'https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/task_modules/'
          '__init__.py'), strict=True)),
    Fix(name='mmdet-late-parts', host='mmdet',
        symptom='AVARoIHead is not in the registry of mmdet (after the fixes above)',
        affected='mmpretrain 1.2.0 and mmaction2 1.2.0, where mmdet is installed',
        link='https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/roi_heads/'
             '__init__.py',
        trigger='mmdet.models', check=_some_wait, apply=_execute_again),
]
