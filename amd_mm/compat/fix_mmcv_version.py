"""The upper limits that mmaction2, mmdet and mmsegmentation set on the version of mmcv."""
import re
from contextlib import AbstractContextManager
from typing import Any

from amd_mm.compat.fix import Fix, Verdict
from amd_mm.compat.rebind import replaced

_TRIED = '2.1.0'


def _limit(host: Any) -> str | None:
    """Read the limit, under the name it has there, from the source of the host's ``__init__``."""
    source = host.__spec__.loader.get_source(host.__name__)
    match = re.search(r"^(?:mmcv_maximum_version|MMCV_MAX) = '(.+)'", source, re.MULTILINE)
    return match and match[1]


def _mmcv_too_new(host: Any) -> Verdict:
    import mmcv
    from mmengine.utils import digit_version
    limit = _limit(host)
    if limit is None or digit_version(mmcv.__version__) < digit_version(limit):
        return Verdict(False, f'{host.__name__} accepts mmcv {mmcv.__version__}')
    return Verdict(True, f'mmcv {mmcv.__version__} is not below the limit {limit}')


def _pass_the_gate(host: Any) -> AbstractContextManager[None]:
    import mmcv
    # The host's __init__ does nothing but compare versions.
    return replaced(mmcv, '__version__', _TRIED)


FIXES = [
    Fix(name=f'{host}-mmcv-limit', host=host,
        symptom=f'import {host}: MMCV==2.2.0 is used but incompatible',
        affected=f'{project} with mmcv >= 2.2.0', link=link,
        trigger=host, check=_mmcv_too_new, around=_pass_the_gate)
    for host, project, link in [
        ('mmaction', 'mmaction2 1.2.0', 'https://github.com/open-mmlab/mmaction2/issues/2852'),
        ('mmdet', 'mmdet 3.3.0', 'https://github.com/open-mmlab/mmdetection/issues/11763'),
        ('mmseg', 'mmsegmentation 1.2.2',
         'https://github.com/open-mmlab/mmsegmentation/blob/v1.2.2/mmseg/__init__.py')]
]
