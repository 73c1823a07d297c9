"""mmaction2."""
from typing import Any

from amd_mm.compat.fix import Fix, Verdict

_DRN_ISSUE = 'https://github.com/open-mmlab/mmaction2/issues/2714'


def _package_without_content(module: Any) -> None:
    """The folder itself; ``drn.drn`` below stands for its one public module."""


def _placeholder_drn(module: Any) -> None:
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


def _refuses_stacked_batches(module: Any) -> Verdict:
    import torch
    batch = dict(inputs=torch.zeros(1, 3, 1, 1), data_samples=[None])
    try:
        module.ActionDataPreprocessor()(batch)
    except AssertionError:
        return Verdict(True, 'ActionDataPreprocessor takes lists alone')
    return Verdict(False, 'ActionDataPreprocessor takes a stacked batch')


def _take_stacked_batches(module: Any) -> None:
    import torch
    stack = module.stack_batch
    module.stack_batch = lambda inputs: inputs if torch.is_tensor(inputs) else stack(inputs)


FIXES = [
    Fix(name=f'mmaction-{name}', host='mmaction',
        symptom='import mmaction.models: No module named mmaction.models.localizers.drn',
        affected='the wheel of mmaction2 1.2.0', link=_DRN_ISSUE,
        trigger=trigger, fill=fill, is_package=is_package)
    for name, trigger, fill, is_package in [
        ('drn-folder', 'mmaction.models.localizers.drn', _package_without_content, True),
        ('drn', 'mmaction.models.localizers.drn.drn', _placeholder_drn, False)]
] + [
    Fix(name='mmaction-stacked-batches', host='mmaction',
        symptom="a batch of MMEngine's default_collate: Expected input type to be list, but got "
                'torch.Tensor',
        affected='mmaction2 1.2.0',
        link='https://github.com/open-mmlab/mmaction2/blob/v1.2.0/mmaction/models/'
             'data_preprocessors/data_preprocessor.py',
        trigger='mmaction.models.data_preprocessors.data_preprocessor',
        check=_refuses_stacked_batches, apply=_take_stacked_batches)
]
