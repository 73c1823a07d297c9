import sys
from types import ModuleType

import pytest

from amd_mm.compat.rebind import rebind, replaced


def old() -> None:
    """Is replaced."""


def new() -> None:
    """Replaces."""


def test_rebind_reaches_the_package_of_the_module_only(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ('toy_host', 'toy_host.part', 'toy_host.user', 'toy_host_2')
    package, part, user, stranger = map(ModuleType, names)
    for module in (package, part, stranger):
        module.function = old
    user.function = print
    for name, module in zip(names, (package, part, user, stranger), strict=True):
        monkeypatch.setitem(sys.modules, name, module)
    rebind(part, 'function', new)
    assert package.function is part.function is new
    assert user.function is print and stranger.function is old


def test_replaced_puts_the_value_back_after_an_error() -> None:
    module = ModuleType('toy')
    module.value = 1
    with pytest.raises(KeyError), replaced(module, 'value', 2):
        assert module.value == 2
        raise KeyError
    assert module.value == 1
