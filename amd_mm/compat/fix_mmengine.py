"""MMEngine: where it looks for installed packages and their configs."""
import importlib.metadata
import importlib.util
import os.path as osp
import sys
from functools import wraps
from types import SimpleNamespace
from typing import Any

from amd_mm.compat.fix import Fix, Verdict
from amd_mm.compat.rebind import rebind

_PACKAGE = osp.dirname(osp.dirname(osp.abspath(__file__)))
_CHECKOUT = osp.dirname(_PACKAGE)


def is_installed(package: str) -> bool:
    """Check whether a distribution or a module of this name is there."""
    try:
        importlib.metadata.distribution(package)
        return True
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None


def get_installed_path(package: str) -> str:
    """Get the folder of a package, given the name of its distribution or module.

    Raises:
        importlib.metadata.PackageNotFoundError: If neither is there.
        RuntimeError: If it is a namespace package.
    """
    module = package
    # A checkout on PYTHONPATH goes before whatever else is installed under the name.
    imported = getattr(sys.modules.get(module), '__file__', None)
    if imported is not None:
        return osp.dirname(imported)
    try:
        location = str(importlib.metadata.distribution(package).locate_file(''))
        if not osp.exists(osp.join(location, module)):
            module = package2module(package)
        if osp.exists(osp.join(location, module)):
            return osp.join(location, module)
    except importlib.metadata.PackageNotFoundError:
        pass
    # not beside its metadata: an editable installation, or a checkout on PYTHONPATH
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise importlib.metadata.PackageNotFoundError(package)
    if spec.origin is None:
        raise RuntimeError(f'{package} is a namespace package, which has no folder of its own')
    return osp.dirname(spec.origin)


def package2module(package: str) -> str:
    """Get the name of the (first) module that a distribution installs."""
    top_level = importlib.metadata.distribution(package).read_text('top_level.txt')
    if not top_level:
        raise ValueError(f'can not infer the module name of {package}')
    return top_level.split('\n')[0]


_REPLACEMENTS = {function.__name__: function
                 for function in (is_installed, get_installed_path, package2module)}


def _needs_pkg_resources(package_utils: Any) -> Verdict:
    if not any('pkg_resources' in getattr(package_utils, name).__code__.co_names
               for name in _REPLACEMENTS):
        return Verdict(False, 'MMEngine does without pkg_resources')
    if importlib.util.find_spec('pkg_resources') is None:
        return Verdict(True, 'MMEngine uses pkg_resources, which is not there')
    if is_installed('amd-mm') and not osp.exists(
            str(importlib.metadata.distribution('amd-mm').locate_file('amd_mm'))):
        return Verdict(True, 'pkg_resources does not find editable installations')
    return Verdict(False, 'pkg_resources is there')


def _use_importlib_metadata(package_utils: Any) -> None:
    for name, function in _REPLACEMENTS.items():
        rebind(package_utils, name, function)


def _amd_mm_unknown(config_utils: Any) -> Verdict:
    if 'amd_mm' in config_utils.MODULE2PACKAGE:
        return Verdict(False, 'MMEngine knows amd_mm')
    return Verdict(True, 'the table of packages in MMEngine has no amd_mm')


def _add_amd_mm(config_utils: Any) -> None:
    config_utils.MODULE2PACKAGE['amd_mm'] = 'amd_mm'


def _no_mim_folder(config_utils: Any) -> Verdict:
    if osp.exists(osp.join(_PACKAGE, '.mim')):
        return Verdict(False, 'amd_mm/.mim is there')
    if osp.exists(osp.join(_CHECKOUT, 'configs')):
        return Verdict(True, f'amd_mm runs from the checkout {_CHECKOUT}')
    return Verdict(False, 'there are neither amd_mm/.mim nor a checkout')


def _find_configs_in_checkout(config_utils: Any) -> None:
    original = config_utils._get_external_cfg_path

    def get_external_cfg_path(package_path: str, cfg_file: str) -> str:
        if not osp.samefile(package_path, _PACKAGE):
            return original(package_path, cfg_file)
        path = osp.join(_CHECKOUT, 'configs', cfg_file)
        config_utils.check_file_exist(path)
        return path

    rebind(config_utils, '_get_external_cfg_path', get_external_cfg_path)


def _inherits_our_scope(config_module: Any) -> Verdict:
    return Verdict(hasattr(config_module.Config, '_get_cfg_path'),
                   'MMEngine writes the scope of a package on all that is inherited from it')


def _keep_our_scope_out(config_module: Any) -> None:
    original = config_module.Config._get_cfg_path

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        path, scope = original(cfg_path, filename)
        # Every type of ours says amd_mm.; without a prefix it is MMEngine's or the host's.
        return path, None if scope == 'amd_mm' else scope

    config_module.Config._get_cfg_path = staticmethod(get_cfg_path)


def _collate_gets_scope(runner_module: Any) -> Verdict:
    from torch.utils.data import SequentialSampler
    loader = runner_module.Runner.build_dataloader(dict(
        dataset=[0], sampler=SequentialSampler([0]),
        collate_fn=dict(type='pseudo_collate', _scope_='mmengine')))
    if '_scope_' in loader.collate_fn.keywords:
        return Verdict(True, 'Runner hands _scope_ to the collate function')
    return Verdict(False, 'Runner keeps _scope_ from the collate function')


def _keep_scope_from_collate(runner_module: Any) -> None:
    build = runner_module.Runner.build_dataloader

    @wraps(build)
    def build_dataloader(dataloader: object, *args: object, **kwargs: object) -> object:
        if isinstance(dataloader, dict) and isinstance(dataloader.get('collate_fn'), dict):
            collate_fn = {k: v for k, v in dataloader['collate_fn'].items() if k != '_scope_'}
            dataloader = dict(dataloader, collate_fn=collate_fn)
        return build(dataloader, *args, **kwargs)

    runner_module.Runner.build_dataloader = staticmethod(build_dataloader)


def _compiles_train_step(runner_module: Any) -> Verdict:
    return Verdict(hasattr(runner_module.Runner, '_maybe_compile'),
                   'MMEngine compiles train_step, with the log and the data samples in it')


def _compile_networks_only(runner_module: Any) -> None:
    original = runner_module.Runner._maybe_compile

    @wraps(original)
    def maybe_compile(runner: Any, target: str) -> None:
        model = getattr(runner.model, 'module', runner.model)
        settings = runner.cfg.get('compile')
        if not settings or not hasattr(model, 'compile_networks'):
            original(runner, target)
            return
        model.compile_networks(**({} if settings is True else settings))
        runner.logger.info('The networks will be compiled: the first two iterations take minutes.')

    runner_module.Runner._maybe_compile = maybe_compile


def _leaves_base_rate(runner_module: Any) -> Verdict:
    import torch
    # Of one group the wrapper keeps no rate apart.
    groups = [dict(params=[torch.zeros(1)]), dict(params=[torch.zeros(1)])]
    wrapper = runner_module.OptimWrapper(torch.optim.SGD(groups, lr=1.))
    runner = SimpleNamespace(
        _train_dataloader=dict(batch_size=2), world_size=1, param_schedulers=None,
        logger=SimpleNamespace(info=lambda text: None))
    runner_module.Runner.scale_lr(runner, wrapper, dict(enable=True, base_batch_size=1))
    return Verdict(wrapper.get_lr().get('base_lr') == [1.],
                   'Runner.scale_lr scales lr by the batch, and base_lr beside it in the log '
                   + ('not' if wrapper.get_lr().get('base_lr') == [1.] else 'too'))


def _scale_base_rate(runner_module: Any) -> None:
    scale = runner_module.Runner.scale_lr

    @wraps(scale)
    def scale_lr(runner: Any, optim_wrapper: Any, auto_scale_lr: dict | None = None) -> None:
        wrappers = (list(optim_wrapper.values()) if hasattr(optim_wrapper, 'values')
                    else [optim_wrapper])
        before = [wrapper.optimizer.param_groups[0]['lr'] for wrapper in wrappers]
        scale(runner, optim_wrapper, auto_scale_lr)
        for wrapper, rate in zip(wrappers, before, strict=True):
            base = getattr(wrapper, 'base_param_settings', None)
            if base is not None and rate:
                base['lr'] *= wrapper.optimizer.param_groups[0]['lr'] / rate

    runner_module.Runner.scale_lr = scale_lr


def _mlflow_wants_a_format(vis_backend: Any) -> Verdict:
    backend = object.__new__(vis_backend.MLflowVisBackend)
    backend._env_initialized = True
    names: list[str] = []
    backend._mlflow = SimpleNamespace(log_image=lambda image, name: names.append(name))
    backend.add_image('strip', None, step=1)
    needed = names == ['strip']
    return Verdict(needed, f'MLflowVisBackend calls a picture {names[0]}'
                   + (', which says no format' if needed else ''))


def _name_mlflow_pictures(vis_backend: Any) -> None:
    def add_image(self: Any, name: str, image: Any, step: int = 0, **kwargs: object) -> None:
        """Keep a picture as ``NAME/STEP.png``, or as a name with an ending says."""
        self._mlflow.log_image(
            image, name if osp.splitext(name)[1] else f'{name}/{step:08d}.png')

    vis_backend.MLflowVisBackend.add_image = vis_backend.force_init_env(add_image)


FIXES = [
    Fix(name='mmengine-pkg-resources', host='mmengine',
        symptom="_base_ = ['mmpretrain::...']: No module named pkg_resources",
        affected='mmengine <= 0.10.7 with setuptools >= 82 (mended on its main branch)',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/utils/'
             'package_utils.py',
        trigger='mmengine.utils.package_utils',
        check=_needs_pkg_resources, apply=_use_importlib_metadata),
    Fix(name='mmengine-amd-mm-configs', host='mmengine',
        symptom="_base_ = ['amd_mm::...']: mmengine does not support to load amd_mm config",
        affected='every mmengine: it has no entry point for packages outside OpenMMLab',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/utils.py',
        trigger='mmengine.config.utils', check=_amd_mm_unknown, apply=_add_amd_mm),
    Fix(name='mmengine-amd-mm-checkout', host='mmengine',
        symptom="_base_ = ['amd_mm::...'] in a checkout that is not installed: no such file "
                'amd_mm/.mim/model-index.yml',
        affected='every mmengine: it wants the folder that an installation makes',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/utils.py',
        trigger='mmengine.config.utils',
        check=_no_mim_folder, apply=_find_configs_in_checkout),
    Fix(name='mmengine-amd-mm-scope', host='mmengine',
        symptom="_base_ = ['amd_mm::finetune/...']: CrossEntropyLoss is not in the amd_mm::model "
                'registry',
        affected='every mmengine: it takes un-prefixed types for those of the package',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/config/config.py',
        trigger='mmengine.config.config',
        check=_inherits_our_scope, apply=_keep_our_scope_out),
    Fix(name='mmengine-collate-scope', host='mmengine',
        symptom="_base_ = ['amd_mm::...'] or ['mmpretrain::...']: the collate function got an "
                "unexpected keyword argument '_scope_'",
        affected='mmengine <= 0.10.7',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py',
        trigger='mmengine.runner.runner',
        check=_collate_gets_scope, apply=_keep_scope_from_collate),
    Fix(name='mmengine-compile', host='mmengine',
        symptom='compile=True: a new compilation in every iteration, until torch gives up',
        affected='mmengine >= 0.8; only our own algorithms are spared it',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py',
        trigger='mmengine.runner.runner',
        check=_compiles_train_step, apply=_compile_networks_only),
    Fix(name='mmengine-base-lr', host='mmengine',
        symptom='--auto-scale-lr: base_lr in the log is not the rate that lr warms up to',
        affected='mmengine <= 0.10.7',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py',
        trigger='mmengine.runner.runner', check=_leaves_base_rate, apply=_scale_base_rate),
    Fix(name='mmengine-mlflow-pictures', host='mmengine',
        symptom='MLflowVisBackend.add_image: ValueError: unknown file extension',
        affected='mmengine <= 0.10.7',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/visualization/'
             'vis_backend.py',
        trigger='mmengine.visualization.vis_backend',
        check=_mlflow_wants_a_format, apply=_name_mlflow_pictures),
]
