import importlib
import sys

import pytest
from runs import command

import amd_mm


def test_importing_the_package_loads_no_library():
    loaded = command(sys.executable, '-c', 'import sys, amd_mm; dir(amd_mm); print(*sys.modules)')
    heavy = {'torch', 'numpy', 'mmengine', 'mmcv', 'mmpretrain', 'mmaction', 'amd_mm.inference'}
    assert 'amd_mm' in loaded.split() and heavy.isdisjoint(loaded.split())


@pytest.mark.parametrize('name', amd_mm._LAZY)
def test_a_name_is_the_thing_that_its_module_has(name):
    module = importlib.import_module(amd_mm._LAZY[name])
    assert getattr(amd_mm, name) is getattr(module, name)
    assert name in module.__all__ and name in amd_mm.__all__ and name in dir(amd_mm)
    assert name in amd_mm.__doc__, 'help(amd_mm) names what there is'


def test_another_name_is_refused_as_of_any_module():
    with pytest.raises(AttributeError, match="'amd_mm' has no attribute 'Extractor'"):
        _ = amd_mm.Extractor
