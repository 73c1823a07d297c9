"""Weights to and from timm's own vision transformer: the outputs decide, at every block."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm imports

import pytest
import tiny_vits
import torch
from safetensors.torch import load_file
from timm.models import VisionTransformer
from tiny_vits import assert_same, block_outputs, pixels

from amd_mm.checkpoints import load_encoder
from amd_mm.export.convert import Options, convert_weights
from amd_mm.export.files import convert_checkpoint
from amd_mm.export.onnx_file import build_model
from amd_mm.checkpoints.reading import read_checkpoint

POOLINGS = ('token', 'avg')


def build(pooling: str, seed: int = 3) -> VisionTransformer:
    return tiny_vits.randomise(VisionTransformer(
        img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5,
        global_pool=pooling), seed)


@torch.no_grad()
def their_blocks(model: VisionTransformer, images: torch.Tensor) -> list[torch.Tensor]:
    outputs: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda *args: outputs.append(args[2]))
             for block in model.blocks]
    last = model.forward_features(images)
    for hook in hooks:
        hook.remove()
    return [*outputs, last]


def our_backbone(pooling: str) -> torch.nn.Module:
    if pooling == 'avg':
        return tiny_vits.image_vit(seed=9, final_norm=False, out_type='avg_featmap')
    return tiny_vits.image_vit(seed=9)


@pytest.mark.parametrize('pooling', POOLINGS)
def test_loading_keeps_outputs_at_every_block(pooling: str, tmp_path) -> None:
    model = build(pooling)
    torch.save(model.state_dict(), tmp_path / 'timm.pth')
    backbone = our_backbone(pooling)
    load_encoder(backbone, tmp_path / 'timm.pth')
    images = pixels('image')
    assert_same(block_outputs(backbone, images), their_blocks(model, images))


@torch.no_grad()
@pytest.mark.parametrize('pooling', POOLINGS)
def test_classifiers_give_the_same_scores(pooling: str, tmp_path) -> None:
    model = build(pooling)
    torch.save(model.state_dict(), tmp_path / 'timm.pth')
    result = convert_weights(read_checkpoint(tmp_path / 'timm.pth'),
                             Options('amd_mm', num_heads=3))
    images = pixels('image')
    assert_same([build_model(result).eval()(images)], [model(images)])


@pytest.mark.parametrize('ending', ['pth', 'safetensors'])
@pytest.mark.parametrize('pooling', POOLINGS)
def test_there_and_back_is_bit_equal(pooling: str, ending: str, tmp_path) -> None:
    model = build(pooling)
    torch.save(model.state_dict(), tmp_path / 'timm.pth')
    convert_checkpoint(tmp_path / 'timm.pth', tmp_path / 'ours.pth', Options('amd_mm'))
    again = tmp_path / f'again.{ending}'
    convert_checkpoint(tmp_path / 'ours.pth', again, Options('timm', num_heads=3))
    weights = load_file(again) if ending == 'safetensors' else torch.load(again)
    want = model.state_dict()
    assert weights.keys() == want.keys()
    assert all(torch.equal(weights[key], want[key]) for key in want)


@torch.no_grad()
def test_students_open_in_timm(tmp_path) -> None:
    ours = tiny_vits.pretraining('image')
    torch.save({'state_dict': ours.state_dict()}, tmp_path / 'student.pth')
    convert_checkpoint(tmp_path / 'student.pth', tmp_path / 'out.pth',
                       Options('timm', part='encoder', num_heads=3))
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3,
                              num_classes=0, global_pool='token').eval()
    model.load_state_dict(torch.load(tmp_path / 'out.pth'), strict=True)
    images = pixels('image')
    assert_same(block_outputs(ours.backbone, images), their_blocks(model, images))
    card = (tmp_path / 'out.pth.md').read_text()
    assert "embed_dim=24, depth=2, num_heads=3, mlp_ratio=4, num_classes=0" in card


def test_a_decoder_has_no_place_in_timm(tmp_path) -> None:
    torch.save({'state_dict': tiny_vits.pretraining('image').state_dict()}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='has none for decoder.*Add --part encoder'):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('timm'))
    assert not (tmp_path / 'b.pth').exists()
