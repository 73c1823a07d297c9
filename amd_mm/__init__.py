"""Pre-training of small vision transformers by masked distillation, on MMEngine.

The five things one does, each also a word of the command ``amd-mm``:

    amd_mm.pretrain('videos', out='work', teacher='vit-large.pth')     a student on a folder
    amd_mm.finetune('classes', out='tuned', checkpoint='student.pth')  a classifier from it
    amd_mm.load_encoder('student.pth').features(x)                     of a path, array or tensor
    amd_mm.Classifier(config, 'tuned.pth')                             predictions; also
        ``Detector``, ``Segmentor``
    amd_mm.reconstruct(...)                                            what it makes of pixels

Of many files: ``FeatureExtractor``, and ``read_features`` of what the command wrote. Of a config:
``build_training_runner``, ``build_runner``.

A name is imported when it is first used: ``import amd_mm`` mends the hosts, and loads nothing.
"""
import importlib

from amd_mm.compat import apply_fixes
from amd_mm.version import __version__

apply_fixes()

# Name -> module that has it.
_LAZY = {
    'Classifier': 'amd_mm.inference',
    'Detector': 'amd_mm.inference',
    'FeatureExtractor': 'amd_mm.inference',
    'Segmentor': 'amd_mm.inference',
    'build_runner': 'amd_mm.engine',
    'build_training_runner': 'amd_mm.engine',
    'finetune': 'amd_mm.command.finetune',
    'load_encoder': 'amd_mm.inference',
    'pretrain': 'amd_mm.command.pretrain',
    'read_features': 'amd_mm.inference',
    'reconstruct': 'amd_mm.inference',
}

__all__ = ['__version__', *_LAZY]


def __getattr__(name: str) -> object:
    """Import a name of the Python interface when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The names that are there and those that come when they are asked for."""
    return sorted({*globals(), *_LAZY})
