"""Safe reading of checkpoint files and folders, whoever wrote them.

Nothing in a file is executed: pickles are read with ``weights_only=True``, and
a file that needs more is refused. Tensors are memory-mapped where the format
allows it, so reading costs memory only for what is used.
"""
import argparse
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from amd_mm.checkpoints.addresses import local_file
from amd_mm.checkpoints.archive import check_archive, check_sizes
from amd_mm.checkpoints.archive import refuse as _refuse
from amd_mm.compat.plain_pickle import NotPlain

# Where the weights are in a training checkpoint, in the order they are looked for; DINO's teacher,
# a mean of the student over time, is what its authors evaluate.
ENVELOPES = ('state_dict', 'model', 'module', 'model_state', 'teacher', 'student')
# The files of a Transformers folder that can hold weights, the safe ones first.
FOLDER_WEIGHTS = ('model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin',
                  'pytorch_model.bin.index.json')
# Under which our converter writes into safetensors files what no tensor holds, as JSON.
FACTS_KEY = 'amd_mm.facts'
FLOAT_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass
class Checkpoint:
    """Weights and what their file says about itself.

    Attributes:
        state_dict: The weights, unwrapped from their envelope, under the file's own names.
        meta: The rest of the envelope (epoch, ``args`` as a dict, ``meta`` of
            MMEngine, ...) without optimizer states.
        config: ``config.json`` of a folder, else empty.
        preprocessor: Its ``preprocessor_config.json`` or ``video_preprocessor_config.json``, else
            empty.
        path: Where it was read.
    """

    state_dict: dict[str, Tensor]
    meta: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    preprocessor: dict[str, Any] = field(default_factory=dict)
    path: Path = Path()

    @property
    def mmengine(self) -> Mapping[str, Any]:
        """``meta`` of a checkpoint of MMEngine or of our converter, else empty."""
        meta = self.meta.get('meta')
        return meta if isinstance(meta, Mapping) else {}


def read_state_dict(path: str | Path, trust: bool = False) -> dict[str, Tensor]:
    """Read the weights of a checkpoint file or Transformers folder.

    Args:
        path: A ``.pth``/``.pt``/``.bin`` file, a ``.safetensors`` file or a folder
            with ``config.json`` and weights; or the address of a file.
        trust: Unpickle arbitrary classes too, which runs code from the file.

    Returns:
        Names to tensors, out of their envelope (``state_dict``, ``model``,
        ``module``, ``model_state`` or none), on the CPU.

    Raises:
        ValueError: If the file is missing, damaged, of another kind, or needs more
            than weights.
    """
    return read_checkpoint(path, trust).state_dict


def read_checkpoint(path: str | Path, trust: bool = False) -> Checkpoint:
    """As :func:`read_state_dict`, with what the file says about itself."""
    with local_file(path) as local:
        return _read_local(local, trust)


def read_content(path: str | Path) -> Any:
    """Read whatever a file holds, of weights and plain values, memory-mapped.

    Args:
        path: Path or address of a file.

    Raises:
        ValueError: If it is missing, damaged, of another kind, or needs more than weights.
    """
    with local_file(path) as local:
        if not local.is_file():
            _refuse(local, 'must be an existing file', 'there is none at this path',
                    'Check the spelling.')
        return _read_file(local, trust=False)


def _read_local(path: Path, trust: bool) -> Checkpoint:
    if not path.exists():
        _refuse(path, 'must be an existing file or folder', 'there is nothing at this path',
               'Check the spelling, or see `amd-mm zoo list` for published '
               'checkpoints.')
    if path.is_dir():
        return _read_folder(path, trust)
    if path.name in FOLDER_WEIGHTS and (path.parent / 'config.json').is_file():
        # What the folder says of its weights holds for the file in it too.
        return replace(_read_folder(path.parent, trust, path.name), path=path)
    content = _read_file(path, trust)
    meta = _read_metadata(path)
    envelopes = set()
    while isinstance(content, Mapping):
        if id(content) in envelopes:
            _refuse(path, 'must hold weights', 'its envelope holds nothing but itself',
                   'Save `model.state_dict()`.')
        envelopes.add(id(content))
        inner = next((name for name in ENVELOPES if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        meta.update({key: value for key, value in content.items()
                     if key not in ENVELOPES and key != 'optimizer'})
        content = content[inner]
    if isinstance(meta.get('args'), argparse.Namespace):
        meta['args'] = vars(meta['args'])
    return Checkpoint(_check_tensors(content, path), meta, path=path)


def _read_file(path: Path, trust: bool) -> Any:
    with path.open('rb') as file:
        head = file.read(512)
    size = path.stat().st_size
    if not head:
        _refuse(path, 'must hold weights', 'the file is empty (0 bytes)', 'Download it again.')
    text = head.lstrip()[:64].lower()
    if text.startswith((b'<!doctype', b'<html', b'<?xml', b'<head')):
        _refuse(path, 'must hold weights', 'it is a web page (HTML) saved under this name',
                'Download the file itself: a link to a page, a login or a download warning '
                'was saved instead.')
    if text.startswith(b'version https://git-lfs'):
        _refuse(path, 'must hold weights', 'it is a Git LFS pointer of '
                f'{size} bytes', 'Fetch the content with `git lfs pull`.')
    if path.suffix == '.safetensors' or head[8:9] == b'{':
        return _read_safetensors(path)
    if not head.startswith((b'PK\x03\x04', b'\x80')):
        _refuse(path, 'must be a torch or safetensors file', 'its first bytes are '
                f'{head[:8]!r}', 'Check what was downloaded.')
    is_zip = zipfile.is_zipfile(path)
    if head.startswith(b'PK') and not is_zip:
        _refuse_damaged(path, size)
    if is_zip:
        check_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location='cpu', mmap=is_zip, weights_only=not trust)
    except pickle.UnpicklingError as error:
        if trust or 'Weights only' not in str(error) or 'Unsupported operand' in str(error):
            _refuse_damaged(path, size, error)
        _refuse(path, 'must hold weights only',
                f'it wants {_wanted_classes(path, is_zip, error)}',
                'Nothing in it was executed. If you trust whoever made the file, convert it '
                'once with `amd-mm convert SRC DST --trust`, which runs '
                'code from the file, and use the result.', error)
    except NotPlain as error:
        _refuse(path, 'must hold weights only', str(error), 'Save `model.state_dict()`.', error)
    except MemoryError:
        raise
    except Exception as error:  # torch raises whatever the damage leads to
        _refuse_damaged(path, size, error)


def _wanted_classes(path: Path, is_zip: bool, error: Exception) -> str:
    if is_zip:
        try:
            names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        except Exception:  # a damaged file may end anywhere
            names = []
        allowed = {'argparse.Namespace'}
        if set(names) - allowed:
            return 'the classes or functions ' + ', '.join(sorted(set(names) - allowed))
    return 'more than that: ' + str(error).strip().splitlines()[-1]


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        _refuse(path, 'needs the package safetensors', 'it is not installed',
                'Install it with `pip install amd-mm[interop]`.', error)
    try:
        with safe_open(path, 'pt') as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        _refuse_damaged(path, path.stat().st_size, error)


def _read_metadata(path: Path) -> dict[str, Any]:
    """What our converter wrote into a safetensors file, as it stands in its ``.pth`` files."""
    if path.suffix != '.safetensors':
        return {}
    from safetensors import safe_open
    with safe_open(path, 'pt') as file:
        text = (file.metadata() or {}).get(FACTS_KEY, '')
    try:
        return {'meta': {'facts': json.loads(text)}}
    except ValueError:
        return {}


def _read_folder(path: Path, trust: bool, weights_name: str | None = None) -> Checkpoint:
    if not (path / 'config.json').is_file():
        _refuse(path, 'a folder must be a Transformers model with config.json',
                f'it holds {_listing(path)}', 'Name the checkpoint file itself, or complete '
                'the folder.')
    config = _read_json(path / 'config.json')
    found = (name for name in FOLDER_WEIGHTS if (path / name).is_file())
    name = weights_name or next(found, None)
    if name is None:
        _refuse(path, f'must hold one of {", ".join(FOLDER_WEIGHTS)}',
                f'it holds {_listing(path)}', 'Download the weights too.')
    names = _shards(path, name) if name.endswith('.index.json') else [name]
    weights: dict[str, Tensor] = {}
    for shard in names:
        content = _check_tensors(_read_file(path / shard, trust), path / shard)
        twice = sorted(weights.keys() & content.keys())
        if twice:
            _refuse(path, 'must hold every weight once', f'{shard} repeats {twice}',
                    'Delete the files that do not belong to the model.')
        weights.update(content)
    preprocessor = (_read_json(path / 'preprocessor_config.json')
                    or _read_json(path / 'video_preprocessor_config.json'))
    return Checkpoint(weights, config=config, path=path, preprocessor=preprocessor)


def _shards(path: Path, index: str) -> list[str]:
    """The files of a folder that an index names, none of which lies elsewhere."""
    places = _read_json(path / index).get('weight_map')
    if not isinstance(places, dict) or not places:
        _refuse(path / index, "must hold a 'weight_map' of names to files",
                f'found {places!r:.100}', 'Download it again.')
    odd = [name for name in places.values()
           if not isinstance(name, str) or name != Path(name).name or name in ('', '..')
           or '\\' in name]
    if odd:
        _refuse(path / index, 'must name files of its own folder', f'found {odd[0]!r:.100}',
                'Nothing was read there. Download the model again from where you trust it.')
    names = sorted(set(places.values()))
    if missing := [name for name in names if not (path / name).is_file()]:
        _refuse(path, f'must hold every file that {index} names',
                f'missing are {", ".join(missing)}', 'Download them too.')
    return names


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        _refuse(path, 'must be JSON', str(error), 'Download it again.', error)
    if not isinstance(content, dict):
        _refuse(path, 'must be a JSON object', f'found a {type(content).__name__}',
                'Download it again.')
    return content


def _check_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or not content:
        kind = 'an empty mapping' if isinstance(content, Mapping) else type(content).__name__
        _refuse(path, 'must hold a mapping of names to tensors', f'found {kind}',
                'Save `model.state_dict()`.')
    others = {key: value for key, value in content.items()
              if not isinstance(key, str) or not isinstance(value, Tensor)}
    if others:
        found = ', '.join(f'{key!r}: {type(value).__name__}' for key, value in
                          list(others.items())[:8])
        _refuse(path, f'must hold tensors, bare or under one of {", ".join(ENVELOPES)}',
                f'found {found}', 'Save `model.state_dict()`.')
    check_sizes(content, path)
    return {key: value.detach() for key, value in content.items()}


def _listing(path: Path) -> str:
    return ', '.join(sorted(entry.name for entry in path.iterdir())[:10]) or 'nothing'


def _refuse_damaged(path: Path, size: int, error: Exception | None = None) -> NoReturn:
    detail = f' ({str(error).strip().splitlines()[0]})' if error and str(error).strip() else ''
    _refuse(path, 'must be complete', f'it is truncated or damaged at {size} bytes{detail}',
            'Download or copy it again and compare the size with the source.', error)
