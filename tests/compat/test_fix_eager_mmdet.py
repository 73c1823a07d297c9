"""Each in a process of its own: what counts is what was imported before."""
import pytest

pytest.importorskip('mmdet')

PARTS = '''
from mmdet.registry import MODELS, TASK_UTILS
print(MODELS.get('AVARoIHead').__name__, MODELS.get('ResLayerExtraNorm').__name__,
      TASK_UTILS.get('MaxIoUAssignerAVA').__name__)
'''
NAMES = 'AVARoIHead ResLayerExtraNorm MaxIoUAssignerAVA\n'


def test_the_hosts_models_leave_mmdet_alone_until_it_is_asked_for(run_python) -> None:
    done = run_python('''
import sys, amd_mm, mmaction.models, mmpretrain.models
print('mmdet' in sys.modules, 'matplotlib.pyplot' in sys.modules)
''' + PARTS + '''
import mmaction.models, mmpretrain.models.utils
print(mmaction.models.AVARoIHead is MODELS.get('AVARoIHead'),
      mmpretrain.models.utils.ResLayerExtraNorm is MODELS.get('ResLayerExtraNorm'))
''')
    assert done.stdout == f'False False\n{NAMES}True True\n', done.stderr


def test_whoever_imports_a_part_by_its_name_has_it(run_python) -> None:
    done = run_python('''
import amd_mm
from mmaction.models import AVARoIHead
from mmaction.models.task_modules import MaxIoUAssignerAVA
from mmdet.models.roi_heads import StandardRoIHead
import mmaction.models.roi_heads as roi_heads
print(issubclass(AVARoIHead, StandardRoIHead), roi_heads.BBoxHeadAVA.__name__)
try:
    mmaction = __import__('mmaction.models').models.Nothing
except AttributeError as error:
    print(error)
''')
    assert done.stdout == (
        "True BBoxHeadAVA\nmodule 'mmaction.models' has no attribute 'Nothing'\n"), done.stderr


def test_where_mmdet_comes_first_all_is_as_ever(run_python) -> None:
    done = run_python('''
import amd_mm, mmdet.models, mmaction.models
from amd_mm.compat.fix import OUTCOMES
print(OUTCOMES['mmaction-roi-heads-mmdet'].needed)
''' + PARTS)
    assert done.stdout == f'False\n{NAMES}', done.stderr
