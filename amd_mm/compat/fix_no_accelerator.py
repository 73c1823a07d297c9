"""MMEngine on a machine without an accelerator: distributed runs and mixed precision."""
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from amd_mm.compat.fix import Fix, Verdict
from amd_mm.compat.rebind import rebind, replaced


def _no_accelerator(module: Any) -> Verdict:
    from mmengine.device import get_device
    device = get_device()
    if device in ('cpu', 'mps'):
        return Verdict(True, f'the device is {device}')
    return Verdict(False, f'the device is {device}')


def _say(message: str) -> None:
    from mmengine.logging import print_log
    print_log(message, logger='current', level=logging.INFO)


def _start_gloo(dist_utils: Any) -> None:
    def without_cuda(init: Callable[..., None]) -> Callable[..., None]:
        @wraps(init)
        def init_gloo(backend: str, *args: object, **kwargs: object) -> None:
            if backend != 'gloo':
                _say(f'No accelerator: the processes communicate by gloo instead of {backend}.')
            with replaced(dist_utils.torch.cuda, 'set_device', lambda device: None):
                init('gloo', *args, **kwargs)
        return init_gloo

    for launcher in ('pytorch', 'mpi', 'slurm'):
        name = f'_init_dist_{launcher}'
        rebind(dist_utils, name, without_cuda(getattr(dist_utils, name)))


def _wrap_without_devices(runner_module: Any) -> None:
    runner_class = runner_module.Runner
    wrap_model = runner_class.wrap_model

    @wraps(wrap_model)
    def wrap_on_cpu(self: Any, model_wrapper_cfg: dict | None, model: object) -> object:
        if self.distributed and not runner_module.is_model_wrapper(model):
            if model_wrapper_cfg is None:  # then MMEngine's own defaults are
                model_wrapper_cfg = dict(
                    broadcast_buffers=False,
                    find_unused_parameters=self.cfg.get('find_unused_parameters', False))
            model_wrapper_cfg.setdefault('type', 'MMDistributedDataParallel')
            wrapper = runner_module.MODEL_WRAPPERS.get(model_wrapper_cfg['type'])
            if issubclass(wrapper, runner_module.DistributedDataParallel):
                model_wrapper_cfg.setdefault('device_ids', None)
        return wrap_model(self, model_wrapper_cfg, model)

    runner_class.wrap_model = wrap_on_cpu


def _amp_refuses(module: Any) -> Verdict:
    verdict = _no_accelerator(module)
    if not verdict.needed:
        return verdict
    import torch
    try:
        module.AmpOptimWrapper(optimizer=torch.optim.SGD([torch.zeros(1)], lr=0.))
    except AssertionError:
        return Verdict(True, f'{verdict.why}, and AmpOptimWrapper refuses it')
    return Verdict(False, 'AmpOptimWrapper accepts the device')


def _fall_back_to_float32(module: Any) -> None:
    amp_class = module.AmpOptimWrapper

    def new(cls: type, loss_scale: object = 'dynamic', dtype: object = None,
            use_fsdp: bool = False, **kwargs: object) -> object:
        if cls is not amp_class:
            return object.__new__(cls)
        _say('No accelerator: OptimWrapper (float32) is used instead of AmpOptimWrapper.')
        return module.OptimWrapper(**kwargs)

    # Not in the registry: configs in the pure Python style name the class itself.
    amp_class.__new__ = new


FIXES = [
    Fix(name='mmengine-gloo', host='mmengine',
        symptom='torchrun without an accelerator: AttributeError _cuda_setDevice, or no NVIDIA '
                'driver',
        affected='mmengine <= 0.10.7',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/dist/utils.py',
        trigger='mmengine.dist.utils', check=_no_accelerator, apply=_start_gloo),
    Fix(name='mmengine-ddp-devices', host='mmengine',
        symptom='torchrun without an accelerator: ValueError about device_ids of '
                'DistributedDataParallel',
        affected='mmengine <= 0.10.7',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/runner.py',
        trigger='mmengine.runner.runner', check=_no_accelerator, apply=_wrap_without_devices),
    Fix(name='mmengine-amp-fallback', host='mmengine',
        symptom='AmpOptimizerWrapper is only available training on gpu, npu, mlu or musa',
        affected='mmengine <= 0.10.7, by design',
        link='https://github.com/open-mmlab/mmpretrain/issues/1556',
        trigger='mmengine.optim.optimizer.amp_optimizer_wrapper',
        check=_amp_refuses, apply=_fall_back_to_float32),
]
