from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from recipes import CONFIGS, shrink
from torch import nn
from torch_memory import allocated

from amd_mm.profiling.flops import imagined
from amd_mm.profiling.memory import TensorMemory, module_bytes, step_memory
from amd_mm.registry import MODELS

RECIPES = ['amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py',
           'dmae/dmae_vit-base-p16_b4096-100e_in1k.py']


def small_model(recipe: str | Path, with_cp: bool = False) -> nn.Module:
    cfg = Config.fromfile(CONFIGS / recipe)
    shrink(cfg)
    cfg.model.with_cp = with_cp
    return MODELS.build(cfg.model).train()


@pytest.mark.slow
@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('accumulating', [False, True])
@pytest.mark.parametrize('recipe', RECIPES)
def test_imagined_peak_is_what_a_step_allocates(recipe, accumulating, with_cp):
    model = small_model(recipe, with_cp)
    size = (8, 3, *model.backbone.grid.input_size)

    def steps() -> None:
        inputs = torch.zeros(size)
        for _ in range(2 if accumulating else 1):
            sum(model.loss(inputs).values()).backward()
    # On the CPU, operators on pixels hold a copy for themselves.
    assert .8 < step_memory(model, size, accumulating=accumulating) / allocated(steps)[0] <= 1


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('recipe', RECIPES)
def test_imagined_activations_are_what_a_forward_pass_keeps(recipe, with_cp):
    model = small_model(recipe, with_cp)
    size = (8, 3, *model.backbone.grid.input_size)

    def forward(model: nn.Module) -> tuple:
        inputs = torch.zeros(size)
        return inputs, model.loss(inputs)
    with imagined(model) as copy, TensorMemory() as memory:
        kept = forward(copy)
        imagined_bytes = memory.live
    del kept
    # A checkpoint keeps the state of the random generator as well, 5 kB a block.
    assert imagined_bytes == pytest.approx(allocated(lambda: forward(model))[1], rel=.03)


@pytest.mark.slow
def test_recomputation_and_autocast_need_less():
    size = (8, 3, 4, 64, 64)
    peak, recomputing = (step_memory(small_model(RECIPES[0], with_cp), size)
                         for with_cp in (False, True))
    # Small as it is, pixels weigh more in it than activations.
    assert recomputing < .9 * peak
    assert step_memory(small_model(RECIPES[0]), size, torch.bfloat16) < .95 * peak


def test_views_count_once_and_what_is_gone_not_at_all():
    outside = torch.zeros(3, 4)
    with TensorMemory() as memory:
        kept = torch.zeros(100)
        view = kept[:50].reshape(5, 10).t()
        assert memory.live == kept.nbytes == 400
        other = view + 1
        assert memory.live == 600
        del other
        assert memory.live == 400 and memory.peak == 600
        assert outside.t() is not None and memory.live == 400


def test_bytes_of_a_module():
    module = nn.BatchNorm1d(10)  # two weights of 10, two buffers of 10 floats, a count
    assert module_bytes(module) == 4 * 40 + 8
    assert module_bytes(module, trained=True) == 2 * 40
    module.weight.requires_grad_(False)
    assert module_bytes(module, trained=True) == 40
