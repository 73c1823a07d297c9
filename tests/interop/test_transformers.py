"""transformers 5 really installed beside the hosts, as the extra ``interop`` does."""
import transformers
from mmaction.registry import MODELS as VIDEO_MODELS
from mmpretrain.registry import MODELS as IMAGE_MODELS

import amd_mm  # noqa: F401
from amd_mm.compat.fix import OUTCOMES


def test_hosts_import_beside_transformers_5() -> None:
    assert int(transformers.__version__.split('.')[0]) >= 5
    import mmaction.models
    import mmpretrain.models
    assert mmpretrain.models.VisionTransformer and mmaction.models.VisionTransformer
    assert OUTCOMES['mmpretrain-transformers'].needed
    assert OUTCOMES['mmaction-transformers'].needed


def test_multimodal_models_are_the_hosts_own_placeholders() -> None:
    import mmaction.models  # noqa: F401
    import mmpretrain.models  # noqa: F401
    for registry, name in [(IMAGE_MODELS, 'Blip2Caption'), (VIDEO_MODELS, 'VindLUVQA')]:
        assert registry.get(name).__name__ == 'ask_install'
