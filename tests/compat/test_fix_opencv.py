from pathlib import Path
from types import ModuleType

import pytest

from amd_mm.compat import fix_opencv

MISSING = 'libGL.so.1: cannot open shared object file: No such file or directory'


def test_missing_libgl_is_explained() -> None:
    with pytest.raises(ImportError, match='opencv-contrib-python-headless') as info:
        with fix_opencv._explain_missing_libgl(ModuleType('cv2')):
            raise ImportError(MISSING)
    assert MISSING in str(info.value)


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(ImportError, match='^numpy is missing$'):
        with fix_opencv._explain_missing_libgl(ModuleType('cv2')):
            raise ImportError('numpy is missing')


def test_import_of_cv2_on_a_slim_server(tmp_path: Path, run_python) -> None:
    (tmp_path / 'cv2').mkdir()
    (tmp_path / 'cv2' / '__init__.py').write_text(f'raise ImportError({MISSING!r})\n')
    code = '''
import ctypes
def refuse(name):
    raise OSError(name)
ctypes.CDLL = refuse
import amd_mm
import cv2
'''
    done = run_python(code, tmp_path)
    assert 'Install the headless build of the same version last' in done.stderr


def test_verdict_follows_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(name: str) -> None:
        asked.append(name)
        raise OSError(name)

    monkeypatch.setattr(fix_opencv.sys, 'platform', 'linux')
    monkeypatch.setattr(fix_opencv.ctypes, 'CDLL', refuse)
    assert fix_opencv._libgl_missing(ModuleType('cv2')).needed
    monkeypatch.setattr(fix_opencv.ctypes, 'CDLL', asked.append)
    assert not fix_opencv._libgl_missing(ModuleType('cv2')).needed
    assert asked == ['libGL.so.1'] * 2
    monkeypatch.setattr(fix_opencv.sys, 'platform', 'darwin')
    assert not fix_opencv._libgl_missing(ModuleType('cv2')).needed
