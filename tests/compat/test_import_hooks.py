import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from amd_mm.compat import import_hooks
from amd_mm.compat.fix import OUTCOMES, Fix, Verdict

TEXT = dict(host='toy_host', symptom='s', affected='a', link='https://example.org')


@pytest.fixture
def toy_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package toy_host whose ``broken`` reads a name that something must set first."""
    package = tmp_path / 'toy_host'
    package.mkdir()
    (package / '__init__.py').write_text('from toy_host.values import value\n')
    (package / 'values.py').write_text('value = 1\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    yield package
    for name in [name for name in sys.modules if name.partition('.')[0] == 'toy_host']:
        del sys.modules[name]
    for name in [name for name in OUTCOMES if name.startswith('toy')]:
        del OUTCOMES[name]


def set_value(module: ModuleType) -> None:
    module.value = 2


def make_fix(needed: bool, name: str = 'toy', **parts: object) -> Fix:
    parts = parts or dict(apply=set_value)
    return Fix(name=name, trigger='toy_host.values',
               check=lambda module: Verdict(needed, 'because'), **parts, **TEXT)


def test_fix_comes_before_others_take_the_name(toy_host: Path) -> None:
    import_hooks.install([make_fix(needed=True)])
    assert 'toy' not in OUTCOMES
    assert importlib.import_module('toy_host').value == 2
    assert OUTCOMES['toy'] == Verdict(True, 'because')


def test_fix_that_is_not_needed_is_not_applied(toy_host: Path) -> None:
    import_hooks.install([make_fix(needed=False)])
    assert importlib.import_module('toy_host').value == 1
    assert OUTCOMES['toy'] == Verdict(False, 'because')


def test_module_imported_before_is_mended_at_once(toy_host: Path) -> None:
    values = importlib.import_module('toy_host.values')
    import_hooks.install([make_fix(needed=True)])
    assert values.value == 2


def test_module_that_a_fix_imports_is_mended_once(toy_host: Path) -> None:
    (toy_host / 'late.py').write_text('count = 0\n')
    importlib.import_module('toy_host.values')

    def count(module: ModuleType) -> None:
        module.count += 1

    early = make_fix(needed=True, name='toy-early',
                     apply=lambda module: importlib.import_module('toy_host.late'))
    late = Fix(name='toy-late', trigger='toy_host.late', apply=count,
               check=lambda module: Verdict(True, 'because'), **TEXT)
    import_hooks.install([early, late])
    assert importlib.import_module('toy_host.late').count == 1


def test_hook_leaves_no_trace_in_the_module(toy_host: Path) -> None:
    import_hooks.install([make_fix(needed=True)])
    spec = importlib.util.find_spec('toy_host.values')
    assert spec.loader.get_source('toy_host.values') == 'value = 1\n'
    values = importlib.import_module('toy_host.values')
    assert type(values.__spec__.loader) is type(values.__loader__) is SourceFileLoader


def test_fix_around_encloses_the_execution(toy_host: Path) -> None:
    (toy_host / 'values.py').write_text('import sys\nvalue = sys.toy_flag\n')

    @contextmanager
    def set_flag(module: ModuleType) -> Iterator[None]:
        assert not hasattr(module, 'value')
        sys.toy_flag = 3
        yield
        del sys.toy_flag

    import_hooks.install([make_fix(needed=True, around=set_flag)])
    assert importlib.import_module('toy_host').value == 3
    assert not hasattr(sys, 'toy_flag')


def make_stand_in(trigger: str) -> Fix:
    return Fix(name='toy-stand-in', trigger=trigger, fill=set_value, **TEXT)


def test_stand_in_only_where_the_module_is_missing(toy_host: Path) -> None:
    import_hooks.install([make_stand_in('toy_host.missing')])
    missing = importlib.import_module('toy_host.missing')
    assert missing.value == 2 and missing.__spec__.name == 'toy_host.missing'
    assert OUTCOMES['toy-stand-in'].needed


def test_stand_in_leaves_a_real_module_alone(toy_host: Path) -> None:
    import_hooks.install([make_stand_in('toy_host.values')])
    assert importlib.import_module('toy_host.values').value == 1
    assert 'toy-stand-in' not in OUTCOMES


def test_other_missing_modules_stay_missing(toy_host: Path) -> None:
    import_hooks.install([make_fix(needed=True), make_stand_in('toy_host.missing')])
    with pytest.raises(ModuleNotFoundError, match='toy_host.another'):
        importlib.import_module('toy_host.another')
