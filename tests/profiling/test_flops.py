import random

import numpy as np
import pytest
import torch
from hand_count import VIDEO_BASE, Sizes, block, hand_count, linear
from mmengine.config import Config
from recipes import CONFIGS, shrink
from tiny_vits import pixels, pretraining, video_vit
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.nn.attention import SDPBackend, sdpa_kernel

from amd_mm.profiling.flops import ATTENTION, count_flops, imagined, matrix_rate
from amd_mm.registry import MODELS

RECIPE = CONFIGS / 'amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'
# tiny_vits: clips of 4 x 32 x 32 in tubes of 2 x 8 x 8, or images; 4 of 16 places visible to
# the student, 8 to the teacher.
TINY = dict(width=24, depth=2, decoder_width=16, decoder_depth=2, teacher_width=24,
            teacher_depth=2, pairs=2, generator_depth=2)


def small_model(name: str) -> tuple[nn.Module, Sizes, torch.Tensor]:
    """A model, its sizes and two samples for it."""
    if name == 'AMD on clips':
        return (pretraining('video', amd=True).train(),
                Sizes(visible=8, extra=8, masked=24, pixels=2 * 8 * 8 * 3, **TINY),
                pixels('video'))
    if name == 'AMD on images':
        return (pretraining('image', amd=True).train(),
                Sizes(visible=4, extra=4, masked=12, pixels=8 * 8 * 3, classes=1, **TINY),
                pixels('image'))
    cfg = Config.fromfile(CONFIGS / 'dmae/dmae_vit-base-p16_b4096-100e_in1k.py')
    shrink(cfg)
    # 64 x 64 in 16 x 16: 4 of 16 places visible; widths / 16, depths and taps / 3
    return (MODELS.build(cfg.model).train(),
            Sizes(visible=4, extra=0, masked=12, pixels=16 * 16 * 3, classes=1, width=48, depth=4,
                  decoder_width=32, decoder_depth=2, teacher_width=64, teacher_depth=6, pairs=1,
                  projects_class=True),
            torch.randn(2, 3, 64, 64))


@pytest.mark.parametrize('name', ['AMD on clips', 'AMD on images', 'DMAE'])
def test_count_is_the_hand_count(name):
    model, sizes, inputs = small_model(name)
    expected = {part: len(inputs) * count for part, count in hand_count(sizes).items()}
    assert count_flops(model, lambda model: model.loss(inputs)) == expected


@pytest.mark.slow
def test_count_at_full_size_is_the_hand_count():
    cfg = Config.fromfile(RECIPE)
    cfg.model.teacher.checkpoint = None
    model = MODELS.build(cfg.model).train()
    found = count_flops(model, lambda model: model.loss(torch.randn(1, 3, 16, 224, 224)))
    assert found == hand_count(VIDEO_BASE)


@pytest.mark.parametrize('modality', ['video', 'image'])
def test_recomputation_is_not_counted(modality):
    model, inputs = pretraining(modality, amd=True).train(), pixels(modality)
    expected = count_flops(model, lambda model: model.loss(inputs))
    recomputing = [module for module in model.modules() if hasattr(module, 'with_cp')]
    for module in recomputing:
        module.with_cp = True
    assert count_flops(model, lambda model: model.loss(inputs)) == expected
    assert recomputing and all(module.with_cp for module in recomputing)


def test_every_kind_of_attention_counts_alike():
    """The fused operator of a CPU, products written out, and those of GPUs, by their signatures."""
    model, sizes, inputs = small_model('AMD on clips')
    with sdpa_kernel(SDPBackend.MATH):
        written_out = count_flops(model, lambda model: model.loss(inputs))
    assert written_out == count_flops(model, lambda model: model.loss(inputs))
    for operator, count in ATTENTION.items():
        arguments = [argument.name for argument in operator.default._schema.arguments]
        backward = str(operator).endswith('backward')
        assert [name.strip('_') for name in arguments[:3 + backward]] == (
            ['grad_out'] * backward + ['query', 'key', 'value'])
        # 2 samples, 3 heads of 8 channels, 5 queries, 7 keys; 2 products, or 4 of gradients
        shapes = [(2, 3, 5, 8)] * backward + [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8)]
        assert count(*shapes) == (4 if backward else 2) * 2 * 2 * 3 * 5 * 7 * 8


def test_counting_leaves_no_trace():
    model, inputs = pretraining('video', amd=True).train(), pixels('video')
    compiled = model.backbone.encode = torch.compile(model.backbone.encode, backend='eager')
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    expected = random.random(), np.random.rand(), torch.rand(())
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    count_flops(model, lambda model: model.loss(inputs))
    assert (random.random(), np.random.rand(), torch.rand(())) == expected
    assert model.backbone.encode is compiled and 'forward' not in vars(model.decoder)
    assert all(weight.grad is None for weight in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    # and it still trains
    sum(model.loss(inputs).values()).backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters()
               if weight.requires_grad)


def test_an_imagined_model_computes_nothing():
    """Values and buffers of the model stay, although a batch norm would change them."""
    norm = nn.BatchNorm1d(4)
    with imagined(norm) as fake:
        output = fake(torch.randn(8, 4))
        assert output.shape == (8, 4)
        with pytest.raises(DataDependentOutputException):
            output.sum().item()
    assert norm.num_batches_tracked == 0 and torch.equal(norm.running_mean, torch.zeros(4))


def test_a_model_of_another_kind_is_counted_as_a_whole():
    backbone = video_vit(use_mean_pooling=True).train()
    clips = pixels('video')
    found = count_flops(backbone, lambda backbone: dict(loss_cls=backbone(clips)[0].sum()))
    # all 32 tokens, embedded by a convolution
    embedding, blocks = linear(32, 2 * 8 * 8 * 3, 24), 2 * block(32, 24)
    assert found == dict(losses=len(clips) * (embedding + blocks),
                         backward=len(clips) * (embedding + 2 * blocks))


def test_rate_is_that_of_the_clock(monkeypatch):
    """Each look at a fake clock is a second later: a product (2 n^3) takes a second."""
    from amd_mm.profiling import flops
    seconds = iter(range(1000))
    monkeypatch.setattr(flops.time, 'perf_counter', lambda: next(seconds))
    monkeypatch.setattr(flops, 'LARGEST_PRODUCT', 256)
    state = torch.get_rng_state()
    assert matrix_rate(torch.device('cpu'), torch.float32) == 2 * 256**3
    assert torch.equal(torch.get_rng_state(), state)
