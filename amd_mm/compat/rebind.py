"""Replaces a function in every module that holds it by name."""
import sys
from collections.abc import Callable
from types import ModuleType


def rebind(module: ModuleType, name: str, replacement: Callable) -> None:
    """Put ``replacement`` where ``module.name`` is, and where its package re-exports it.

    Where a fix comes right after the module's import, nobody else holds the original
    yet; where the host was imported before ``amd_mm``, its other modules do.
    """
    original = getattr(module, name)
    setattr(module, name, replacement)
    package = module.__name__.partition('.')[0]
    for other_name, other in list(sys.modules.items()):
        if other_name.partition('.')[0] == package and vars(other).get(name) is original:
            setattr(other, name, replacement)
