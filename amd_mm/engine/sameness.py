"""Whether the processes of a run all run the same: config, code and the files it names."""
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config

from amd_mm.engine.preflight import named_files
from amd_mm.meeting import Meeting
from amd_mm.resolved_config import KEYS_READ

# What may follow the machine, see fit_to_machine.
_OF_MACHINE = re.compile(r'_dataloader\.(num_workers|pin_memory|persistent_workers|'
                         r'prefetch_factor)$')
_PACKAGES = ('torch', 'torchvision', 'numpy', 'mmengine', 'mmcv', 'mmcv-lite', 'mmpretrain',
             'mmaction2', 'mmdet', 'mmsegmentation', 'timm', 'transformers')
# Where an object is in the memory of its process.
_ADDRESS = re.compile(r' at 0x[0-9a-f]+')
_CODE = Path(__file__).parents[1]
_CHUNK = 1 << 20
# Differences of a kind that a message names.
_NAMED = 5
_ABSENT = 'not there'

Facts = dict[str, dict[str, str]]


def require_same(cfg: Config, meeting: Meeting) -> None:
    """Compare what the processes of a run do, by hashes.

    Args:
        cfg: Of the run. How data is loaded (workers, pinned memory) may differ.
        meeting: Where the others are.

    Raises:
        ValueError: In every process, with what differs: keys of the config and both values, files
            of code, versions of packages, and files that the config names.
    """
    facts = dict(config=settings_of(cfg), code=code_of(cfg))
    if os.environ.get('LOCAL_RANK', '0') == '0':  # the others of a machine would read the same
        facts['files'] = files_of(cfg)
    sums = json.dumps({kind: _sum(json.dumps(values).encode()) for kind, values in facts.items()})
    shared = [json.loads(text) for text in meeting.share('sums', sums)]
    odd = [rank for rank, other in enumerate(shared)
           if any(other[kind] != shared[0][kind] for kind in other)]
    if odd:
        told = [json.loads(text) for text in meeting.share('facts', json.dumps(facts))]
        raise ValueError(_refusal(meeting, odd, told))


def settings_of(cfg: Config) -> dict[str, str]:
    """Each value that is read of a config, as text under its dotted key."""
    plain = cfg.to_dict()
    return {key: _ADDRESS.sub('', repr(value)) for name in sorted(KEYS_READ & plain.keys())
            for key, value in _leaves(name, plain[name]) if not _OF_MACHINE.search(key)}


def code_of(cfg: Config) -> dict[str, str]:
    """Versions of Python and packages, and a hash of each file of this package and of one's own."""
    facts = {'Python': platform.python_version()}
    for name in _PACKAGES:
        try:
            facts[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    for path in sorted(_CODE.rglob('*.py')):
        facts[f'amd_mm/{path.relative_to(_CODE)}'] = _sum(path.read_bytes())
    for name in (cfg.get('custom_imports') or {}).get('imports', []):
        file = getattr(sys.modules.get(name), '__file__', None)
        if file is not None:
            facts[name] = _sum(Path(file).read_bytes())
    return facts


def files_of(cfg: Config) -> dict[str, str]:
    """A hash of each file that a config names: lists, labels, weights."""
    return {f'{place.key} ({place.path})': _sum_of_file(Path(place.path))
            for place in named_files(cfg)}


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(f'{key}.{name}', item)
    elif isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(f'{key}.{number}', item)
    else:
        yield key, value


def _sum(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _sum_of_file(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open('rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _refusal(meeting: Meeting, odd: list[int], told: list[Facts]) -> str:
    one, other = told[0], told[odd[0]]
    found = []
    for kind in other:
        names = [name for name in {**one[kind], **other[kind]}
                 if one[kind].get(name) != other[kind].get(name)]
        if names:
            said = [_difference(name, one[kind].get(name, _ABSENT),
                                other[kind].get(name, _ABSENT)) for name in names[:_NAMED]]
            rest = [f'{len(names) - _NAMED} more'] if len(names) > _NAMED else []
            found.append(f'{kind}: {", ".join(said + rest)}')
    others = f' (and so do ranks {", ".join(map(str, odd[1:]))})' if len(odd) > 1 else ''
    return (f'all processes of a run must run the same, but {meeting.names[odd[0]]} differs from '
            f'{meeting.names[0]}{others} in {"; ".join(found)}; start all with one command line, '
            'from the same code, packages and files')


def _difference(name: str, one: str, other: str) -> str:
    """What differs, with its values but for hashes, which say nothing."""
    if _ABSENT in (one, other):
        return f'{name} (only in {"the latter" if other == _ABSENT else "the former"})'
    # 32 characters are a hash, which says nothing.
    return name if len(one) == len(other) == 32 else f'{name} {other:.200} instead of {one:.200}'
