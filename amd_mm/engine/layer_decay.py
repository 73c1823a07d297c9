"""Layer-wise learning rates of a backbone inside any model."""
from collections.abc import Callable

from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from torch import nn

from amd_mm.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's constructor for models that do not tell how deep their weights lie.

    That constructor asks the model, and only mmpretrain's classifiers answer; mmsegmentation's and
    mmdetection's constructors know backbones by the names of their classes. Here the backbone
    answers: position and patch embeddings have depth 0, the first block 1, and all that is no
    part of it (neck, heads) the full rate.

    ``paramwise_cfg`` is the host's: ``layer_decay_rate``, ``bias_decay_mult``,
    ``norm_decay_mult``, ``flat_decay_mult`` and ``custom_keys`` with ``decay_mult``.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '',
                   get_layer_depth: Callable | None = None) -> None:
        """Append the groups of a model, one for each weight.

        Args:
            params: The groups so far.
            module: The model, or one of its parts.
            prefix: Of the part's names.
            get_layer_depth: From a weight's name to its depth and the number of depths; None: ask
                ``module.backbone``.

        Raises:
            ValueError: If that backbone does not tell depths.
        """
        if get_layer_depth is None:
            of_backbone = getattr(getattr(module, 'backbone', None), 'get_layer_depth', None)
            if of_backbone is None:
                raise ValueError(
                    'LayerDecayConstructor needs a model whose backbone has get_layer_depth, got '
                    f'{type(module).__name__}; take a backbone of amd_mm or mmpretrain')

            def get_layer_depth(name: str) -> tuple[int, int]:
                return of_backbone(name, 'backbone.')
        super().add_params(params, module, prefix, get_layer_depth)
