import inspect

import pytest

import amd_mm.datasets.transforms  # noqa: F401 (registers its parts, as the package above does)
from amd_mm.registry import DATASETS, TRANSFORMS


@pytest.mark.parametrize('part', [
    pytest.param(part, id=name)
    for registry in (TRANSFORMS, DATASETS) for name, part in sorted(registry.module_dict.items())])
def test_misspelt_argument_is_refused(part):
    # What is needed is given, so that nothing but the misspelt argument can be wrong.
    needed = {
        name: None for name, parameter in inspect.signature(part).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD}
    with pytest.raises(TypeError, match="misspelt|takes no arguments"):
        part(**needed, misspelt=1)
