"""MMEngine."""
import importlib.metadata
import importlib.util
import os.path as osp
import sys
from types import ModuleType

from amd_mm.compat.fix import Fix, Verdict


def _is_installed(package: str) -> bool:
    """Check whether a distribution or a module of this name is there."""
    try:
        importlib.metadata.distribution(package)
        return True
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None


def _get_installed_path(package: str) -> str:
    """Get the folder of a package, given the name of its distribution or module."""
    try:
        location = importlib.metadata.distribution(package).locate_file('')
        module = package if osp.exists(osp.join(location, package)) else _package2module(package)
        if osp.exists(osp.join(location, module)):
            return osp.join(location, module)
    except importlib.metadata.PackageNotFoundError:
        module = package
    # not below its metadata: an editable install, or a checkout on PYTHONPATH
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise importlib.metadata.PackageNotFoundError(package)
    if spec.origin is None:
        raise RuntimeError(f'{package} is a namespace package, which has no path of its own')
    return osp.dirname(spec.origin)


def _package2module(package: str) -> str:
    """Get the name of the (first) module that a distribution installs."""
    top_level = importlib.metadata.distribution(package).read_text('top_level.txt')
    if not top_level:
        raise ValueError(f'can not infer the module name of {package}')
    return top_level.split('\n')[0]


def _pkg_resources_missing(package_utils: ModuleType) -> Verdict:
    used = any('pkg_resources' in getattr(package_utils, name).__code__.co_names
               for name in ('is_installed', 'get_installed_path', 'package2module'))
    if not used:
        return Verdict(False, 'its package_utils do without pkg_resources')
    if importlib.util.find_spec('pkg_resources') is not None:
        return Verdict(False, 'pkg_resources is there')
    return Verdict(True, 'its package_utils use pkg_resources, which is not there')


def _use_importlib_metadata(package_utils: ModuleType) -> None:
    for name, function in {'is_installed': _is_installed,
                           'get_installed_path': _get_installed_path,
                           'package2module': _package2module}.items():
        original = getattr(package_utils, name)
        setattr(package_utils, name, function)
        # where MMEngine was imported before us, its other modules hold the original
        for module_name, module in list(sys.modules.items()):
            if module_name.startswith('mmengine.') or module_name == 'mmengine':
                if vars(module).get(name) is original:
                    setattr(module, name, function)


FIXES = [
    Fix(name='mmengine-pkg-resources', host='mmengine',
        symptom="_base_ = ['mmpretrain::...']: No module named pkg_resources",
        affected='mmengine <= 0.10.7 with setuptools >= 82',
        link='https://github.com/open-mmlab/mmengine/issues/1683',
        trigger='mmengine.utils.package_utils',
        check=_pkg_resources_missing, apply=_use_importlib_metadata),
]
