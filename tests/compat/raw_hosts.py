"""Tries every symptom on the hosts as they are; prints the errors as one line of JSON.

Runs in a process of its own, started as torchrun would, that never imports ``amd_mm``. Its
one remedy is the one without which no other host can be looked at, torchvision's.
"""
import importlib
import json
import os
import runpy
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction

SYMPTOMS: dict[str, str] = {}


def observe(name: str, action: Callable[[], object]) -> None:
    try:
        action()
        SYMPTOMS[name] = ''
    except Exception as error:
        SYMPTOMS[name] = f'{type(error).__name__}: {error}'


def observe_import(name: str, module: str) -> None:
    observe(name, lambda: importlib.import_module(module))


def use_numpy_names() -> None:
    import numpy
    for name in ('Inf', 'NAN', 'float', 'in1d', 'trapz'):
        getattr(numpy, name)


def load_history_buffer() -> None:
    import torch
    from mmengine.logging import HistoryBuffer
    with tempfile.NamedTemporaryFile(suffix='.pth') as file:
        torch.save(HistoryBuffer([1.], [1]), file.name)
        torch.load(file.name)


def read_config(base: str) -> None:
    from mmengine.config import Config
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'config.py')
        with open(path, 'w') as file:
            file.write(f'_base_ = [{base!r}]')
        Config.fromfile(path)


def know_amd_mm() -> None:
    from mmengine.config.utils import _get_package_and_cfg_path
    _get_package_and_cfg_path('amd_mm::_base_/default_runtime.py')


def start_processes() -> None:
    from mmengine.dist import init_dist
    init_dist('pytorch')


def wrap_model() -> None:
    import torch
    from mmengine.runner import Runner
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    with tempfile.TemporaryDirectory() as folder:
        Runner(model=torch.nn.Linear(1, 1), work_dir=folder, launcher='pytorch')


def use_amp() -> None:
    import torch
    from mmengine.optim import AmpOptimWrapper
    AmpOptimWrapper(optimizer=torch.optim.SGD([torch.zeros(1)], lr=0.))


def shift_hue_in_mmcv() -> None:
    import mmcv
    import numpy
    mmcv.adjust_hue(numpy.zeros((1, 1, 3), numpy.uint8), -0.1)


def shift_hue_in_mmaction() -> None:
    import numpy
    from mmaction.datasets.transforms import ColorJitter
    ColorJitter.adjust_hue(numpy.zeros((1, 1, 3), numpy.uint8), -0.1)


def compare_tubes() -> None:
    import numpy
    from mmaction.evaluation.functional.multisports_utils import iou3dt_voc
    tube = numpy.array([[0., 0., 0., 1., 1.]])
    iou3dt_voc(tube, tube)


def try_imgaug() -> None:
    import numpy
    from mmaction.datasets.transforms import ImgAug
    sys.modules['imgaug'] = sys.modules['imgaug.augmenters'] = None
    try:
        ImgAug(transforms='default')
    except ImportError:
        assert numpy.bool is numpy.bool_, 'np.bool is overwritten'


def import_beside_newer_mmcv(host: str) -> None:
    import mmcv
    version, mmcv.__version__ = mmcv.__version__, '2.2.0'
    try:
        importlib.import_module(host)
    finally:
        mmcv.__version__ = version
        for name in [name for name in sys.modules if name.partition('.')[0] == host]:
            del sys.modules[name]


def look_for_drn() -> None:
    # not imported: the folder above it stumbles over transformers 5 first, where that is installed
    import mmaction
    folder = os.path.join(mmaction.__path__[0], 'models', 'localizers')
    assert 'drn' in os.listdir(folder), f'no drn in {folder}'


def preprocess_a_stacked_batch() -> None:
    # its file alone, for the same reason
    import mmaction
    import torch
    path = os.path.join(mmaction.__path__[0], 'models', 'data_preprocessors',
                        'data_preprocessor.py')
    preprocessor = runpy.run_path(path)['ActionDataPreprocessor']()
    preprocessor(dict(inputs=torch.zeros(1, 3, 1, 1), data_samples=[None]))


def weights_only_by_address() -> None:
    import inspect

    import torch
    defaults = inspect.signature(torch.hub.load_state_dict_from_url).parameters
    assert defaults['weights_only'].default is True, 'torch.hub runs what it loads'


def load_data_of(name: str, content: bytes) -> None:
    import mmengine
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        with open(path, 'wb') as file:
            file.write(content)
        assert not callable(mmengine.load(path)), 'a data file hands out functions'


def write_vp9_beside_decord() -> None:
    import decord  # noqa: F401, I001  (the order is the symptom)
    import av
    codec = av.CodecContext.create('libvpx-vp9', 'w')
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, 'yuv420p', Fraction(1, 25)
    codec.open()


def main() -> None:
    observe('decord-libvpx', write_vp9_beside_decord)
    observe_import('torchvision-schemas', 'torchvision')
    if SYMPTOMS['torchvision-schemas']:
        import torch
        library = torch.library.Library('torchvision', 'FRAGMENT')
        for name in ('nms', 'qnms'):
            library.define(f'{name}(Tensor dets, Tensor scores, float threshold) -> Tensor')
        for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
            del sys.modules[name]
    observe('numpy-aliases', use_numpy_names)
    from mmengine.fileio import FileClient, get_file_backend
    from mmengine.runner.checkpoint import CheckpointLoader
    observe('mmengine-storages', lambda: get_file_backend('gs://bucket/list.txt'))
    observe('mmengine-storages-client', lambda: FileClient(prefix='gs'))
    observe('mmengine-remote-checkpoints', lambda: CheckpointLoader._schemes['gs://'])
    observe('torch-checkpoint-classes', load_history_buffer)
    observe('mmengine-pkg-resources',
            lambda: read_config('mmpretrain::_base_/default_runtime.py'))
    observe('mmengine-amd-mm-configs', know_amd_mm)
    observe('torch-hub-weights-only', weights_only_by_address)
    observe('mmengine-pickles', lambda: load_data_of('a.pkl', b'cos\ngetcwd\n.'))
    observe('mmengine-yaml', lambda: load_data_of('a.yml', b'!!python/name:os.getcwd'))
    observe('mmengine-gloo', start_processes)
    observe('mmengine-ddp-devices', wrap_model)
    observe('mmengine-amp-fallback', use_amp)
    observe_import('mmcv-operators', 'mmcv._ext')
    observe('mmaction-mmcv-limit', lambda: import_beside_newer_mmcv('mmaction'))
    observe('mmdet-mmcv-limit', lambda: import_beside_newer_mmcv('mmdet'))
    observe('mmseg-mmcv-limit', lambda: import_beside_newer_mmcv('mmseg'))
    observe('mmcv-hue', shift_hue_in_mmcv)
    observe('mmaction-hue', shift_hue_in_mmaction)
    observe('mmaction-tubes', compare_tubes)
    observe('mmaction-numpy-bool', try_imgaug)
    observe('mmaction-drn', look_for_drn)
    observe('mmaction-stacked-batches', preprocess_a_stacked_batch)
    print(json.dumps(SYMPTOMS))


main()
