"""Maps of pictures of any size and aspect, against mmpretrain's class and timm's resampling."""
import pytest
import tiny_vits
import torch
import torch.nn.functional as F
from mmpretrain.models.backbones import VisionTransformer
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from amd_mm.models.backbones import ImageVisionTransformer
from amd_mm.registry import MODELS
from amd_mm.tokens import split_prefix

SIZE, PATCH, WIDTH = tiny_vits.SIZE, tiny_vits.PATCH, tiny_vits.WIDTH
# (height, width); of 32 pixels is the table.
SIZES = [(32, 32), (64, 64), (16, 24), (80, 24), (24, 136)]


def settings(size: int | tuple[int, int] = SIZE) -> dict:
    return dict(
        arch=dict(embed_dims=WIDTH, num_layers=2, num_heads=3, feedforward_channels=4 * WIDTH),
        img_size=size, patch_size=PATCH, out_type='featmap', out_indices=(0, 1), final_norm=False)


@pytest.fixture
def student(tmp_path) -> str:
    torch.save(dict(state_dict=tiny_vits.pretraining('image', seed=1).state_dict()),
               tmp_path / 'student.pth')
    return str(tmp_path / 'student.pth')


def load(student: str, size: int | tuple[int, int] = SIZE) -> ImageVisionTransformer:
    model = MODELS.build(dict(
        type='amd_mm.ImageVisionTransformer', fixed_positions=False,
        init_cfg=dict(type='Pretrained', checkpoint=student, prefix='backbone.'),
        **settings(size)))
    model.init_weights()
    return model.eval()


def maps_by_hand(model: ImageVisionTransformer, pixels: Tensor, positions: Tensor) -> list[Tensor]:
    """Block after block, with these positions of the patches; the class token is left out."""
    of_class, _ = split_prefix(model.pos_embed, 1)
    patches = F.conv2d(pixels, *model.patch_embed.projection.parameters(), stride=PATCH)
    rows, columns = patches.shape[2:]
    tokens = patches.flatten(2).transpose(1, 2) + positions
    tokens = torch.cat([(model.cls_token + of_class).expand(len(pixels), -1, -1), tokens], 1)
    maps = []
    for block in model.layers:
        tokens = block(tokens)
        maps.append(tokens[:, 1:].transpose(1, 2).unflatten(2, (rows, columns)))
    return maps


@torch.no_grad()
@pytest.mark.parametrize('height, width', SIZES)
def test_maps_of_any_size(student: str, height: int, width: int) -> None:
    model = load(student)
    host = VisionTransformer(**settings())
    host.load_state_dict(model.state_dict())
    host.eval()  # returns nothing
    pixels = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    found = model(pixels)
    assert [each.shape for each in found] == [(2, WIDTH, height // PATCH, width // PATCH)] * 2
    for ours, theirs in zip(found, host(pixels), strict=True):
        assert torch.equal(ours, theirs)
    table = resample_abs_pos_embed(
        model.pos_embed, [height // PATCH, width // PATCH], antialias=False)
    expected = maps_by_hand(model, pixels, split_prefix(table, 1)[1])
    tiny_vits.assert_same(list(found), expected)


@pytest.mark.parametrize('height, width', SIZES)
def test_a_table_is_loaded_at_any_size(student: str, height: int, width: int) -> None:
    """The class token's row stays, the others are timm's."""
    small = load(student).pos_embed
    expected = resample_abs_pos_embed(
        small, [height // PATCH, width // PATCH], antialias=False)
    torch.testing.assert_close(load(student, (height, width)).pos_embed, expected)
