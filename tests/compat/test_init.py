import sys

import numpy as np
import pytest

import amd_mm.compat
from amd_mm.compat.fix import OUTCOMES
from amd_mm.compat.import_hooks import FixingFinder, StandInFinder

# Whether these are needed depends on the versions of the hosts alone. Red: the installed
# versions no longer have the defect, so the fix can go when older ones are given up.
BY_VERSION = [
    'numpy-aliases', 'torch-checkpoint-classes', 'torch-hub-weights-only', 'decord-libvpx',
    'mmengine-pkg-resources', 'mmengine-amd-mm-configs', 'mmengine-pickles', 'mmengine-yaml',
    'mmengine-storages', 'mmengine-storages-client', 'mmengine-remote-checkpoints',
    'mmaction-mmcv-limit', 'mmdet-mmcv-limit', 'mmseg-mmcv-limit', 'mmcv-hue', 'mmaction-hue',
    'mmaction-tubes',
    'mmaction-numpy-bool', 'mmaction-drn', 'mmaction-stacked-batches']
# Whether these are needed depends on the machine or on what else is installed.
BY_MACHINE = ['torchvision-schemas', 'mmcv-operators', 'mmengine-gloo', 'mmengine-ddp-devices',
              'mmengine-amp-fallback']


def test_each_fix_is_told_apart() -> None:
    names = [fix.name for fix in amd_mm.compat.FIXES]
    assert len(set(names)) == len(names)
    for fix in amd_mm.compat.FIXES:
        assert fix.symptom and fix.affected and fix.link.startswith('https://')


@pytest.mark.slow
@pytest.mark.parametrize('name', BY_VERSION)
def test_fix_is_still_needed(name: str, raw_symptoms: dict[str, str]) -> None:
    assert raw_symptoms[name], f'the installed hosts do without the fix {name}'


@pytest.mark.slow
@pytest.mark.parametrize('name', BY_MACHINE)
def test_fix_is_applied_exactly_where_the_raw_host_fails(
        name: str, raw_symptoms: dict[str, str]) -> None:
    import mmcv.ops  # noqa: F401
    import mmengine.runner  # noqa: F401
    import torchvision  # noqa: F401
    applied = name in OUTCOMES and OUTCOMES[name].needed
    assert applied == bool(raw_symptoms[name])


def test_applying_again_changes_nothing() -> None:
    finders, in1d = list(sys.meta_path), np.in1d
    amd_mm.compat.apply_fixes()
    assert sys.meta_path == finders and np.in1d is in1d
    assert sum(isinstance(finder, FixingFinder) for finder in finders) == 1
    assert sum(isinstance(finder, StandInFinder) for finder in finders) == 1


def test_import_loads_no_host(run_python) -> None:
    hosts = {fix.host for fix in amd_mm.compat.FIXES}
    done = run_python('import sys, amd_mm; print(*sys.modules)')
    assert hosts.isdisjoint(done.stdout.split()), done.stderr


@pytest.mark.slow
def test_hosts_imported_first_are_mended_too(run_python) -> None:
    done = run_python('''
import mmcv, mmengine.config, mmengine.runner, mmengine.utils, numpy as np
import amd_mm
from mmengine.config import config
from mmengine.logging import HistoryBuffer
import torch
assert config.get_installed_path is mmengine.utils.get_installed_path
print(config.get_installed_path('mmengine') == mmengine.__path__[0])
print(np.Inf, HistoryBuffer in torch.serialization.get_safe_globals())
print(mmcv.adjust_hue(np.zeros((1, 1, 3), np.uint8), -0.1).tolist())
''')
    assert done.stdout.split('\n') == ['True', 'inf True', '[[[0, 0, 0]]]', ''], done.stderr
