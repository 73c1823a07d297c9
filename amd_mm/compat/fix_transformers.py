"""The multimodal parts of mmpretrain and mmaction2, which need an older transformers."""
import importlib.util
import os.path as osp
from typing import Any

from amd_mm.compat.fix import Fix, Verdict

_MOVED = ('apply_chunking_to_forward', 'find_pruneable_heads_and_indices', 'prune_linear_layer')


def _names_are_gone(dependency: Any) -> Verdict:
    if not getattr(dependency, 'WITH_MULTIMODAL', False):
        return Verdict(False, 'its multimodal part is off')
    # read, not imported: transformers takes seconds
    spec = importlib.util.find_spec('transformers')
    assert spec is not None and spec.submodule_search_locations
    folder = spec.submodule_search_locations[0]
    with open(osp.join(folder, 'modeling_utils.py'), encoding='utf-8') as file:
        source = file.read()
    gone = [name for name in _MOVED if name not in source]
    if gone:
        return Verdict(True, f'transformers.modeling_utils has no {", ".join(gone)}')
    return Verdict(False, 'transformers.modeling_utils has the names it wants')


def _switch_multimodal_off(dependency: Any) -> None:
    # the host then registers its own placeholders, as if transformers were absent
    dependency.WITH_MULTIMODAL = False


FIXES = [
    Fix(name=f'{host}-transformers', host=host, symptom=symptom,
        affected=f'{project} 1.2.0 with transformers >= 5',
        link=f'https://github.com/open-mmlab/{project}/blob/v1.2.0/{host}/utils/dependency.py',
        trigger=f'{host}.utils.dependency', check=_names_are_gone, apply=_switch_multimodal_off)
    for host, project, symptom in [
        ('mmpretrain', 'mmpretrain', 'import mmpretrain.models: NoneType takes no arguments'),
        ('mmaction', 'mmaction2',
         'import mmaction.models: cannot import name apply_chunking_to_forward')]
]
