import sys

import pytest
import tiny_vits
import torch
from mmengine.config import Config

from amd_mm.config_keys import check_keys
from amd_mm.keys import hash_positions
from amd_mm.models.masks import AsymmetricMaskGenerator, MaskStrategy
from amd_mm.models.masks.strategy import sort_places
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid

KEYS = torch.tensor([3, 5])


def test_lower_scores_come_first_and_equal_ones_as_the_key_says():
    scores = torch.tensor([[2., 1, 2, 1, 0], [0, 0, 0, 0, -1]])
    order = sort_places(scores, KEYS)
    luck = hash_positions(KEYS, 5).tolist()
    expected = [sorted(range(5), key=lambda place: (scores[row, place].item(), luck[row][place]))
                for row in range(2)]
    assert order.tolist() == expected


def test_frames_are_sorted_apart():
    scores = torch.zeros(2, 3, 4)
    order = sort_places(scores, KEYS)
    assert order.sort().values.tolist() == [[[0, 1, 2, 3]] * 3] * 2
    assert len(set(map(tuple, order.flatten(0, 1).tolist()))) > 3


def test_a_strategy_says_how_it_scores():
    with pytest.raises(TypeError, match='scores'):
        MaskStrategy(TokenGrid((2, 2), (4, 4)))


# All that one's own package needs, for pictures and clips: what is dark is seen first.
DARK_MASKING = '''
from amd_mm.models.masks import MaskStrategy
from amd_mm.registry import MODELS


@MODELS.register_module()
class DarkMasking(MaskStrategy):
    """Shows the darkest places of every frame."""

    per_frame = True
    needs = 'images'

    def scores(self, draw):
        pixels = (draw.images * 256).round().long().sum(1)
        for axis, side in enumerate(self.grid.patch, start=1):
            pixels = pixels.unflatten(axis, (-1, side)).sum(axis + 1)
        return pixels.reshape(len(pixels), -1, self.length)
'''


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_ones_own_strategy_is_one_file_and_a_custom_import(modality, tmp_path, monkeypatch):
    (tmp_path / 'my_masks.py').write_text(DARK_MASKING)
    monkeypatch.syspath_prepend(tmp_path)
    model = tiny_vits.pretraining_config(modality)
    model['mask_generator'].update(strategy=dict(type='amd_mm.DarkMasking'))
    (tmp_path / 'config.py').write_text(
        f"custom_imports = dict(imports=['my_masks'])\nmodel = {model!r}\n")
    try:
        cfg = Config.fromfile(tmp_path / 'config.py')
        check_keys(cfg)
        built = MODELS.build(cfg.model)
        images = tiny_vits.pixels(modality)
        mask = built.draw_mask(images, torch.tensor([5, 6]))
        light = images.unfold(-2, 8, 8).unfold(-2, 8, 8).sum((1, -1, -2)).flatten(-2)
        light = light.view(2, 1, 16) if modality == 'image' else light.view(2, 2, 2, 16).sum(2)
        darkest = light.argsort(-1)[..., :4].sort(-1).values
        expected = darkest + 16 * torch.arange(light.shape[1])[:, None]
        assert torch.equal(mask.visible, expected.flatten(1))
        assert built.masked_loss(images, mask)['loss_rec'].isfinite()
    finally:
        MODELS._module_dict.pop('DarkMasking', None)
        sys.modules.pop('my_masks', None)


class WholeFrames(MaskStrategy):
    per_frame = False

    def scores(self, draw):
        return torch.zeros(len(draw.keys), self.grid.num_frames)


def test_scores_of_another_shape_are_refused(monkeypatch):
    monkeypatch.setitem(MODELS._module_dict, 'WholeFrames', WholeFrames)
    masks = AsymmetricMaskGenerator(
        TokenGrid((3, 2, 2), (2, 4, 4)), dict(type='amd_mm.WholeFrames'), .5)
    with pytest.raises(ValueError, match=r'WholeFrames.scores must be of shape \(2, 12\) or '
                                         r'\(2, 1, 12\), .* got \(2, 3\)'):
        masks(KEYS)
