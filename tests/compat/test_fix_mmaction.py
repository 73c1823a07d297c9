import mmaction.models
import pytest
from mmaction.registry import MODELS


def test_models_import_and_the_placeholder_says_why() -> None:
    assert MODELS.get('VisionTransformer') is not None
    with pytest.raises(NotImplementedError, match='mmaction2 1.2.0 lacks .*issues/2714'):
        MODELS.build(dict(type='mmaction.DRN', vocab_size=3))


def test_placeholder_is_in_the_place_of_the_model() -> None:
    from mmaction.models.localizers.drn.drn import DRN
    assert mmaction.models.DRN is DRN is MODELS.get('DRN')
