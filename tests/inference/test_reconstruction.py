import torch
from tiny_vits import pixels, pretraining

from amd_mm.inference import fixed_keys, reconstruct
from amd_mm.keys import sample_key


def test_keys_hang_on_seed_and_place():
    assert [sample.sample_key for sample in fixed_keys(3, seed=5)] == [
        sample_key(5, 0, place, 0) for place in range(3)]


def test_reconstructing_leaves_no_trace():
    model = pretraining('image').train()
    model.backbone.layers[0].eval()
    modes = [module.training for module in model.modules()]
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    images, painted, mask, _ = reconstruct(model, pixels('image'), fixed_keys(2))
    assert torch.rand(1) == expected
    assert [module.training for module in model.modules()] == modes
    # All masked tokens are painted, the others are the input.
    changed = (painted != images).any(1)
    assert changed.view(2, 4, 8, 4, 8).any(4).any(2).flatten(1).sum(1).tolist() == [
        mask.masked.shape[1]] * 2
