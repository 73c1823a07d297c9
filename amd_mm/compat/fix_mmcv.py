"""mmcv: neither build installed, or the build without compiled operators."""
import importlib.util
from collections.abc import Callable
from typing import Any

from amd_mm.compat.fix import Fix


def require_mmcv() -> None:
    """Check that one of the two builds of mmcv is there.

    Raises:
        ImportError: If none is. The requirements of the package name none, because both
            builds fill the same folder.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(
            'amd_mm needs mmcv, and no build of it is installed. Install one of the two: '
            "`pip install 'amd-mm[lite]'` (mmcv-lite 2.1.0, no compiler needed), or a mmcv "
            'with compiled operators: `pip install "setuptools<81" && pip install '
            '--no-build-isolation mmcv==2.1.0`.')


def _refuse(operator: str) -> Callable[..., None]:
    def refuse(*args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            f'{operator} is a compiled operator of mmcv, and the installed mmcv has none '
            '(mmcv-lite; amd_mm substitutes roi_align and nms only). Install a compiled mmcv: '
            '`pip uninstall mmcv-lite`, then `pip install "setuptools<81" && pip install '
            '--no-build-isolation mmcv==2.1.0`.')
    return refuse


def _stand_in(extension: Any) -> None:
    from amd_mm.compat import mmcv_ops

    def operator(name: str) -> Callable[..., None]:
        if name.startswith('__'):
            raise AttributeError(f'module {extension.__name__} has no attribute {name}')
        return _refuse(name)

    extension.__getattr__ = operator
    extension.nms = mmcv_ops.nms
    extension.roi_align_forward = mmcv_ops.roi_align_forward
    extension.roi_align_backward = mmcv_ops.roi_align_backward
    # mmcv's report on the environment asks for these two
    extension.get_compiler_version = lambda: 'n/a (mmcv-lite)'
    extension.get_compiling_cuda_version = lambda: 'n/a (mmcv-lite)'


FIXES = [
    Fix(name='mmcv-operators', host='mmcv',
        symptom='import mmdet.models, mmseg.models or mmcv.ops: No module named mmcv._ext',
        affected='mmcv-lite (there is no compiled wheel of mmcv for torch >= 2.5)',
        link='https://github.com/open-mmlab/mmcv/issues/3325',
        trigger='mmcv._ext', fill=_stand_in),
]
