"""Replaces what modules hold by name."""
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Give ``owner.name``, of a module or a class, another value for a while."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
