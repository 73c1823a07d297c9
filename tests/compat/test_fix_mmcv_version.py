from types import SimpleNamespace

import pytest

from amd_mm.compat import fix_mmcv_version


@pytest.mark.slow
def test_newer_mmcv_passes_the_gates(run_python) -> None:
    done = run_python('''
import amd_mm, mmcv
mmcv.__version__ = '2.2.0'
import mmaction, mmdet, mmseg
from amd_mm.compat.fix import OUTCOMES
print(mmcv.__version__, *(OUTCOMES[f'{host}-mmcv-limit'].needed
                          for host in ('mmaction', 'mmdet', 'mmseg')))
''')
    assert done.stdout.split() == ['2.2.0', 'True', 'True', 'True'], done.stderr


@pytest.mark.parametrize('source, needed', [
    ("mmcv_maximum_version = '2.2.0'\n", True), ("MMCV_MAX = '2.2.0'\n", True),
    ("mmcv_maximum_version = '2.9.0'\n", False),
    ('no_limit = True\n', False)])
def test_verdict_reads_the_limit_of_the_host(
        monkeypatch: pytest.MonkeyPatch, source: str, needed: bool) -> None:
    monkeypatch.setattr('mmcv.__version__', '2.3.1')
    loader = SimpleNamespace(get_source=lambda name: source)
    host = SimpleNamespace(__name__='host', __spec__=SimpleNamespace(loader=loader))
    assert fix_mmcv_version._mmcv_too_new(host).needed == needed
