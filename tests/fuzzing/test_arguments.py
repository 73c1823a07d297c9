"""Any plain value for any argument: taken, or refused with the argument's name."""
import importlib

import pytest
from good_values import arguments, needed
from hypothesis import given
from hypothesis import strategies as st

from amd_mm import registry

for _package in ('models', 'datasets.transforms', 'engine'):
    importlib.import_module(f'amd_mm.{_package}')  # registers its parts
# Light ones: what they take costs no memory, whatever its size.
PARTS = [part for kind in (registry.TRANSFORMS, registry.HOOKS, registry.METRICS)
         for part in kind.module_dict.values() if arguments(part)]
PARTS += [registry.MODELS.get(name) for name in ('FeatureAlignmentLoss', 'PixelLoss')]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-10, 10**9), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3),
                            st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4)


@pytest.mark.parametrize('part', PARTS, ids=lambda part: part.__name__)
@given(data=st.data())
def test_any_value_is_taken_or_refused_by_name(part, data):
    name = data.draw(st.sampled_from(sorted(arguments(part))))
    value = data.draw(VALUES)
    try:
        part(**{**needed(part), name: value})
    except ValueError as error:
        assert name in str(error)
