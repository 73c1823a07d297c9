"""mmaction2."""
from types import ModuleType

from amd_mm.compat.fix import Fix

_DRN_ISSUE = 'https://github.com/open-mmlab/mmaction2/issues/2714'


def _package_without_content(module: ModuleType) -> None:
    """The folder itself; ``drn.drn`` below stands for its one public module."""


def _placeholder_drn(module: ModuleType) -> None:
    from mmaction.registry import MODELS

    @MODELS.register_module()
    class DRN:
        """Placeholder of a model that the installed mmaction2 does not hold."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            raise NotImplementedError(
                'mmaction.DRN cannot be built: the wheel of mmaction2 1.2.0 lacks the folder '
                f'models/localizers/drn ({_DRN_ISSUE}). Install mmaction2 from its repository.')

    DRN.__module__ = module.__name__
    module.DRN = DRN


FIXES = [
    Fix(name=f'mmaction-{name}', host='mmaction',
        symptom='import mmaction.models: No module named mmaction.models.localizers.drn',
        affected='the wheel of mmaction2 1.2.0', link=_DRN_ISSUE,
        trigger=trigger, fill=fill, is_package=is_package)
    for name, trigger, fill, is_package in [
        ('drn-folder', 'mmaction.models.localizers.drn', _package_without_content, True),
        ('drn', 'mmaction.models.localizers.drn.drn', _placeholder_drn, False)]
]
