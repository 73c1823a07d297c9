"""Readers of the hosts that run what a data or weight file says."""
import inspect
import os
import pickle
import re
import tempfile
from functools import wraps
from io import BytesIO, StringIO
from typing import Any

from amd_mm.compat.downloads import downloaded
from amd_mm.compat.fix import Fix, Verdict
from amd_mm.compat.rebind import rebind


def _hub_runs_files(torch: Any) -> Verdict:
    parameters = inspect.signature(torch.hub.load_state_dict_from_url).parameters
    default = parameters['weights_only'].default
    return Verdict(default is False, f'torch.hub loads with weights_only={default} by default')


def _hub_loads_weights_only(torch: Any) -> None:
    function = torch.hub.load_state_dict_from_url
    names = list(inspect.signature(function).parameters)
    # In place: torchvision, timm and MMEngine hold this function under names of their own.
    defaults = list(function.__defaults__)
    defaults[names.index('weights_only') - len(names)] = True
    function.__defaults__ = tuple(defaults)


def _mixes_up_addresses(checkpoint: Any) -> Verdict:
    import torch
    same = checkpoint.load_url is torch.hub.load_state_dict_from_url
    return Verdict(same, 'MMEngine keeps what it downloads by the last part of the address'
                   if same else 'MMEngine does not use the cache of torch.hub')


def _tell_addresses_apart(checkpoint: Any) -> None:
    import torch

    def load_url(url: str, model_dir: str | None = None, map_location: Any = None,
                 progress: bool = True) -> Any:
        path = downloaded(url, model_dir, progress)
        return torch.load(path, map_location=map_location, weights_only=True)

    checkpoint.load_url = load_url


def _advises_to_run(checkpoint: Any) -> Verdict:
    with tempfile.NamedTemporaryFile(suffix='.pth') as file:
        file.write(pickle.dumps(os.getcwd, protocol=2))
        file.flush()
        try:
            checkpoint.load_from_local(file.name, 'cpu')
        except Exception as error:  # torch's, or what stands before it
            needed = 'weights_only' in str(error)
            return Verdict(needed, 'torch advises to run files that it refuses' if needed
                           else 'files that want more than weights are refused in other words')
    return Verdict(False, 'files that want more than weights are loaded')


def _advise_to_convert(checkpoint: Any) -> None:
    loader = checkpoint.CheckpointLoader
    original = loader.load_checkpoint.__func__

    @wraps(original)
    def load_checkpoint(cls: Any, filename: str, *args: object, **kwargs: object) -> object:
        try:
            return original(cls, filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            wanted = re.search(r'GLOBAL ([\w.]+)', str(error))
            if wanted is None:
                raise
            raise pickle.UnpicklingError(
                f'Checkpoint {filename}: must hold weights only, but it wants {wanted[1]}. Nothing '
                'in it was executed. If you trust whoever made the file, convert it once with '
                '`amd-mm convert SRC DST --trust` of amd_mm, which runs code '
                'from the file, and use the result.') from None

    loader.load_checkpoint = classmethod(load_checkpoint)


def _runs_pickles(fileio: Any) -> Verdict:
    try:
        fileio.load(BytesIO(pickle.dumps(os.getcwd)), file_format='pkl')
    except (ValueError, pickle.UnpicklingError):
        return Verdict(False, 'mmengine.load refuses pickles that name a function')
    return Verdict(True, 'mmengine.load hands out any function that a pickle names')


def _read_plain_pickles(fileio: Any) -> None:
    from amd_mm.compat.plain_pickle import NotPlain
    original = fileio.load
    _overlay_pickle(inspect.getmodule(type(fileio.file_handlers['pkl'])))

    @wraps(original)
    def load(file: object, *args: object, **kwargs: object) -> object:
        try:
            return original(file, *args, **kwargs)
        except NotPlain as error:
            raise NotPlain(f'{file}: {error}') from error

    rebind(fileio, 'load', load)


def _overlay_pickle(module: Any) -> None:
    from amd_mm.compat.plain_pickle import Overlay, PlainUnpickler, load, loads
    module.pickle = Overlay(pickle, load=load, loads=loads, Unpickler=PlainUnpickler)


def _uses_pickle(module: Any) -> Verdict:
    used = getattr(module, 'pickle', None) is pickle
    return Verdict(used, f'{module.__name__} reads pickles by pickle itself' if used
                   else f'{module.__name__} does not use pickle')


def _runs_yaml(handler: Any) -> Verdict:
    try:
        handler.YamlHandler().load_from_fileobj(StringIO('!!python/name:os.getcwd'))
    except Exception:  # PyYAML's own, or ours
        return Verdict(False, 'YAML that names a function is refused')
    return Verdict(True, 'YAML hands out any function that it names')


def _read_plain_yaml(handler: Any) -> None:
    from amd_mm.compat.plain_pickle import refuse

    base: Any = getattr(handler.yaml, 'CSafeLoader', handler.yaml.SafeLoader)

    class PlainLoader(base):
        """Tuples besides what YAML knows: MMEngine writes them."""

    PlainLoader.add_constructor(
        'tag:yaml.org,2002:python/tuple',
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)))
    PlainLoader.add_constructor(None, lambda loader, node: refuse(node.tag))
    handler.Loader = PlainLoader


def _unpickles_arrays(module: Any) -> Verdict:
    import numpy
    used = getattr(module, 'np', None) is numpy
    return Verdict(used, f'{module.__name__} reads arrays with allow_pickle=True' if used
                   else f'{module.__name__} does not use numpy')


def _load_plain_arrays(module: Any) -> None:
    import numpy

    from amd_mm.compat.plain_pickle import Overlay

    def load(file: Any, *args: object, **kwargs: object) -> Any:
        return numpy.load(file, allow_pickle=False)

    module.np = Overlay(numpy, load=load)


FIXES = [
    Fix(name='torch-hub-weights-only', host='torch',
        symptom='load_from, init_cfg or a test checkpoint is an address: what it serves is run',
        affected='torch 2.6 to 2.13: torch.load is safe by default, torch.hub is not',
        link='https://github.com/pytorch/pytorch/blob/v2.9.0/torch/hub.py',
        trigger='torch', check=_hub_runs_files, apply=_hub_loads_weights_only),
    Fix(name='mmengine-addresses', host='mmengine',
        symptom='load_from=http://B/model.pth loads http://A/model.pth, if that was loaded before',
        affected='every mmengine: it keeps files as torch.hub does',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/checkpoint.py',
        trigger='mmengine.runner.checkpoint',
        check=_mixes_up_addresses, apply=_tell_addresses_apart),
    Fix(name='mmengine-advice', host='mmengine',
        symptom='a checkpoint that wants more than weights: Re-running torch.load with '
                'weights_only set to False will likely succeed (and run it)',
        affected='mmengine with torch >= 2.6',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/runner/checkpoint.py',
        trigger='mmengine.runner.checkpoint', check=_advises_to_run, apply=_advise_to_convert),
    Fix(name='mmengine-pickles', host='mmengine',
        symptom='a .pkl of annotations or proposals is run by mmengine.load',
        affected='every mmengine',
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/fileio/handlers/'
             'pickle_handler.py',
        trigger='mmengine.fileio.io', check=_runs_pickles, apply=_read_plain_pickles),
    Fix(name='mmengine-yaml', host='mmengine',
        symptom='a .yml with !!python/object/apply is run by mmengine.load',
        affected="every mmengine: PyYAML's CLoader is its unsafe one",
        link='https://github.com/open-mmlab/mmengine/blob/v0.10.7/mmengine/fileio/handlers/'
             'yaml_handler.py',
        trigger='mmengine.fileio.handlers.yaml_handler', check=_runs_yaml, apply=_read_plain_yaml),
    *(Fix(name=f'mmpretrain-pickles-{trigger.rpartition(".")[2]}', host='mmpretrain',
          symptom='files of CIFAR, or of RAM, are run',
          affected='every mmpretrain',
          link='https://github.com/open-mmlab/mmpretrain/blob/v1.2.0/mmpretrain/datasets/cifar.py',
          trigger=trigger, check=_uses_pickle, apply=_overlay_pickle)
      for trigger in ('mmpretrain.datasets.cifar', 'mmpretrain.models.multimodal.ram.ram')),
    Fix(name='mmdet-arrays', host='mmdet',
        symptom="OpenImages' hierarchy file is run",
        affected='every mmdet',
        link='https://github.com/open-mmlab/mmdetection/blob/v3.3.0/mmdet/datasets/openimages.py',
        trigger='mmdet.datasets.openimages', check=_unpickles_arrays, apply=_load_plain_arrays),
]
