"""Weights to and from timm's own vision transformer: the outputs decide, at every block."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm imports

import json

import pytest
import tiny_vits
import torch
from safetensors.torch import load_file, save_file
from timm.models import VisionTransformer
from timm.models.vision_transformer import ResPostBlock
from tiny_vits import assert_same, block_outputs, pixels

from amd_mm.checkpoints import fill_encoder
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
    fill_encoder(backbone, tmp_path / 'timm.pth')
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


TINY = dict(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3)


@torch.no_grad()
@pytest.mark.parametrize('changes', [
    dict(qkv_bias=False), dict(class_token=False, global_pool='avg'),
    dict(class_token=False, global_pool=''), dict(final_norm=False)])
def test_the_card_opens_what_is_unusual(changes: dict, tmp_path) -> None:
    """What the card says, executed: the network gives the same outputs."""
    model = tiny_vits.randomise(VisionTransformer(**TINY, num_classes=0, **changes))
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('timm', num_heads=3))
    card = (tmp_path / 'b.pth.md').read_text()
    again = eval(card.split('`timm.models.')[1].split('`')[0], {  # noqa: S307
        'VisionTransformer': VisionTransformer}).eval()
    again.load_state_dict(torch.load(tmp_path / 'b.pth'))
    assert torch.equal(again(pixels('image')), model(pixels('image')))


def folder(path, model: VisionTransformer, architecture: str, **arguments):
    """As timm's ``save_for_hf`` writes it."""
    path.mkdir()
    (path / 'config.json').write_text(json.dumps(dict(
        architecture=architecture, model_args=arguments, num_classes=0,
        label_names=['ape', 'bee', 'cat', 'dog', 'eel'],
        pretrained_cfg=dict(mean=[.5] * 3, std=[.5] * 3, input_size=[3, 32, 32]))))
    save_file(model.state_dict(), path / 'model.safetensors')
    return path


def test_timms_folders_are_read(tmp_path) -> None:
    model = tiny_vits.randomise(VisionTransformer(**TINY, num_classes=5))
    path = folder(tmp_path / 'theirs', model, 'vit_tiny_patch16_224', **TINY)
    backbone = our_backbone('token')
    file = fill_encoder(backbone, path)
    assert_same(block_outputs(backbone, pixels('image')), their_blocks(model, pixels('image')))
    assert file.mean == (127.5, ) * 3 and file.num_heads == 3
    with pytest.raises(ValueError, match='attention heads: checkpoint 3, model 2'):
        fill_encoder(tiny_vits.MODELS.build(dict(
            type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=8, arch=dict(
                embed_dims=24, num_layers=2, num_heads=2, feedforward_channels=96))), path)
    convert_checkpoint(path, tmp_path / 'out', Options('transformers'))
    config = json.loads((tmp_path / 'out/config.json').read_text())
    assert config['id2label'] == {'0': 'ape', '1': 'bee', '2': 'cat', '3': 'dog', '4': 'eel'}
    pixels_of = json.loads((tmp_path / 'out/preprocessor_config.json').read_text())
    assert pixels_of['image_mean'] == [.5] * 3


def test_res_post_norm_is_not_read_as_pre_norm(tmp_path) -> None:
    """Every key is one of a pre-norm network; that it is none, its config says."""
    settings = dict(TINY, qkv_bias=False, class_token=False, global_pool='avg')
    model = VisionTransformer(**settings, num_classes=0, block_fn=ResPostBlock)
    assert model.state_dict().keys() == VisionTransformer(
        **settings, num_classes=0).state_dict().keys()
    path = folder(tmp_path / 'theirs', model, 'vit_base_patch16_rpn_224', **TINY)
    with pytest.raises(ValueError, match=r'res-post-norm\), which is not supported'):
        convert_checkpoint(path, tmp_path / 'a.pth', Options('mmpretrain'))
    torch.save(model.state_dict(), tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match="res-post-norm networks .* are, and has no config"):
        convert_checkpoint(tmp_path / 'bare.pth', tmp_path / 'a.pth', Options('mmpretrain'))
    # The remedy, for one that is none.
    plain = folder(tmp_path / 'plain', VisionTransformer(**settings, num_classes=0),
                   'vit_base_patch16_224', **settings)
    convert_checkpoint(plain, tmp_path / 'a.pth', Options('mmpretrain'))
