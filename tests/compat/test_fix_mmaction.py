import mmaction.models
import pytest
import torch
from mmaction.registry import MODELS


def test_models_import_and_the_placeholder_says_why() -> None:
    assert MODELS.get('VisionTransformer') is not None
    with pytest.raises(NotImplementedError, match='mmaction2 1.2.0 lacks .*issues/2714'):
        MODELS.build(dict(type='mmaction.DRN', vocab_size=3))


def test_placeholder_is_in_the_place_of_the_model() -> None:
    from mmaction.models.localizers.drn.drn import DRN
    assert mmaction.models.DRN is DRN is MODELS.get('DRN')


@pytest.mark.parametrize('blending', [None, dict(type='MixupBlending', num_classes=4)])
def test_a_stacked_batch_is_preprocessed_as_a_list_is(blending) -> None:
    preprocessor = MODELS.build(dict(
        type='ActionDataPreprocessor', mean=[1., 2., 3.], std=[4., 5., 6.], to_rgb=True,
        format_shape='NCTHW', blending=blending))
    clips = torch.randint(256, (2, 1, 3, 4, 6, 5), dtype=torch.uint8)
    outputs = []
    for inputs in (list(clips), clips):
        torch.manual_seed(0)
        samples = [mmaction.structures.ActionDataSample().set_gt_label(n) for n in range(2)]
        outputs.append(preprocessor(dict(inputs=inputs, data_samples=samples), training=True))
    assert torch.equal(outputs[0]['inputs'], outputs[1]['inputs'])
    assert outputs[1]['inputs'].dtype == torch.float32
