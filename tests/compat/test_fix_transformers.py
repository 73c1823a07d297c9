import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from amd_mm.compat import fix_transformers
from amd_mm.compat.fix_transformers import _MOVED


@pytest.mark.parametrize('names, multimodal, needed', [
    ((), True, True), (_MOVED[1:], True, True), (_MOVED, True, False), ((), False, False)])
def test_verdict_looks_for_the_names(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...],
        multimodal: bool, needed: bool) -> None:
    (tmp_path / 'modeling_utils.py').write_text(f'from .pytorch_utils import {", ".join(names)}\n')
    monkeypatch.setattr(importlib.util, 'find_spec',
                        lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path)]))
    dependency = SimpleNamespace(WITH_MULTIMODAL=multimodal)
    assert fix_transformers._names_are_gone(dependency).needed == needed


def test_remedy_is_the_switch_of_the_hosts() -> None:
    dependency = SimpleNamespace(WITH_MULTIMODAL=True)
    fix_transformers._switch_multimodal_off(dependency)
    assert dependency.WITH_MULTIMODAL is False
