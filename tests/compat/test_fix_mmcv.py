"""With mmcv-lite, which the extra ``tests`` installs."""
from pathlib import Path

import mmcv.ops
import pytest
import torch

from amd_mm.compat.fix import OUTCOMES


def test_the_hosts_import() -> None:
    import mmdet.models
    import mmseg.models
    from mmaction.models import roi_heads
    from mmdet.registry import MODELS
    assert mmdet.models.RetinaNet and mmseg.models.UPerHead
    assert MODELS.get('AVARoIHead') is roi_heads.AVARoIHead
    assert OUTCOMES['mmcv-operators'].needed


def test_stand_in_looks_like_a_module() -> None:
    import mmcv._ext
    assert mmcv._ext.__spec__.name == 'mmcv._ext'
    assert not hasattr(mmcv._ext, '__file__')


@pytest.mark.parametrize('operator, call', [
    ('deform_conv_forward', lambda: mmcv.ops.deform_conv2d(
        torch.zeros(1, 1, 4, 4), torch.zeros(1, 18, 4, 4), torch.zeros(1, 1, 3, 3), 1, 1)),
    ('softnms', lambda: mmcv.ops.soft_nms(torch.zeros(1, 4), torch.zeros(1))),
    ("pool_mode='max'", lambda: mmcv.ops.RoIAlign(1, pool_mode='max')(
        torch.zeros(1, 1, 4, 4), torch.zeros(1, 5)))])
def test_other_operators_say_what_to_install(operator: str, call) -> None:
    with pytest.raises(NotImplementedError, match='nstall a compiled mmcv') as info:
        call()
    assert operator in str(info.value)


def test_report_on_the_environment_works() -> None:
    from mmcv.utils import collect_env
    assert 'mmcv-lite' in collect_env()['MMCV Compiler']


def test_compiled_operators_are_left_alone(tmp_path: Path, run_python) -> None:
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text("__version__ = '2.1.0'\n")
    (tmp_path / 'mmcv' / '_ext.py').write_text('compiled = True\n')
    done = run_python('''
import amd_mm, mmcv._ext
from amd_mm.compat.fix import OUTCOMES
print(mmcv._ext.compiled, hasattr(mmcv._ext, 'nms'), 'mmcv-operators' in OUTCOMES)
''', tmp_path)
    assert done.stdout.split() == ['True', 'False', 'False'], done.stderr


def test_without_any_mmcv_both_choices_are_named(run_python) -> None:
    done = run_python('''
import importlib.machinery
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, *args: None if name == 'mmcv' else find(name, *args))
import amd_mm
''')
    assert 'ImportError: amd_mm needs mmcv' in done.stderr
    assert "pip install 'amd-mm[lite]'" in done.stderr and 'mmcv==2.1.0' in done.stderr
