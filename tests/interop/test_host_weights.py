"""Weights to and from models of the hosts, built by the hosts' own classes."""
import pytest
import tiny_vits
import torch
from mmaction.registry import MODELS as MMACTION
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as MMPRETRAIN
from tiny_vits import assert_same, block_outputs, pixels

from amd_mm.checkpoints import fill_encoder
from amd_mm.checkpoints.reading import read_checkpoint
from amd_mm.export.convert import Options, convert_weights
from amd_mm.export.files import convert_checkpoint
from amd_mm.export.onnx_file import build_model

ARCH = dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96)
IMAGE_VIT = dict(type='VisionTransformer', arch=ARCH, img_size=32, patch_size=8)
MODELS = {
    'classifier': dict(
        type='ImageClassifier',
        backbone=dict(**IMAGE_VIT, out_type='avg_featmap', final_norm=False),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=24)),
    'class token': dict(
        type='ImageClassifier', backbone=IMAGE_VIT,
        head=dict(type='VisionTransformerClsHead', num_classes=5, in_channels=24)),
    'mae': dict(
        type='MAE', backbone=dict(type='MAEViT', arch=ARCH, img_size=32, patch_size=8),
        neck=dict(type='MAEPretrainDecoder', num_patches=16, patch_size=8, embed_dim=24,
                  decoder_embed_dim=16, decoder_depth=2, decoder_num_heads=2),
        head=dict(type='MAEPretrainHead', patch_size=8,
                  loss=dict(type='PixelReconstructionLoss', criterion='L2'))),
    'recognizer': dict(
        type='Recognizer3D',
        backbone=dict(type='VisionTransformer', img_size=32, patch_size=8, embed_dims=24, depth=2,
                      num_heads=3, num_frames=4),
        cls_head=dict(type='TimeSformerHead', num_classes=5, in_channels=24)),
}


def build(name: str) -> BaseModel:
    scope, registry = ('mmaction', MMACTION) if name == 'recognizer' else ('mmpretrain', MMPRETRAIN)
    with DefaultScope.overwrite_default_scope(scope):
        return tiny_vits.randomise(registry.build(MODELS[name]), seed=3)


@torch.no_grad()
def their_blocks(model: BaseModel, images: torch.Tensor) -> list[torch.Tensor]:
    backbone = model.backbone
    outputs: list[torch.Tensor] = []
    for block in getattr(backbone, 'blocks', None) or backbone.layers:
        block.register_forward_hook(lambda *args: outputs.append(args[2]))
    if type(backbone).__name__ == 'MAEViT':
        backbone(images, None)
    else:
        backbone(images)
    return outputs


@pytest.mark.parametrize('name', MODELS)
def test_loading_keeps_outputs_at_every_block(name: str, tmp_path) -> None:
    model = build(name)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    if name == 'recognizer':
        backbone = tiny_vits.video_vit(seed=9, use_mean_pooling=True)
    elif name == 'classifier':
        backbone = tiny_vits.image_vit(seed=9, final_norm=False, out_type='avg_featmap')
    else:
        backbone = tiny_vits.image_vit(seed=9)
    fill_encoder(backbone, tmp_path / 'a.pth')
    images = pixels('video' if name == 'recognizer' else 'image')
    assert_same(block_outputs(backbone, images)[:2], their_blocks(model, images))


@torch.no_grad()
@pytest.mark.parametrize('name', ['classifier', 'class token', 'recognizer'])
def test_classifiers_give_the_same_scores(name: str, tmp_path) -> None:
    model = build(name)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    result = convert_weights(read_checkpoint(tmp_path / 'a.pth'), Options(
        'amd_mm', num_heads=3, source_size=32, source_frames=4 if name == 'recognizer' else None))
    images = pixels('video' if name == 'recognizer' else 'image')
    if name == 'recognizer':
        want = model.cls_head(model.backbone(images))
    else:
        want = model.head(model.backbone(images))
    assert_same([build_model(result).eval()(images)], [want])


@pytest.mark.parametrize('name', MODELS)
def test_there_and_back_is_bit_equal(name: str, tmp_path) -> None:
    """By way of another layout that holds the same parts."""
    model = build(name)
    want = {key: value for key, value in model.state_dict().items()
            if not key.startswith('data_preprocessor.')}
    torch.save({'state_dict': want}, tmp_path / 'a.pth')
    middle = 'amd_mm' if name == 'recognizer' else 'mae'
    home = 'mmaction2' if name == 'recognizer' else 'mmpretrain'
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options(middle))
    convert_checkpoint(tmp_path / 'b.pth', tmp_path / 'c.pth', Options(home))
    again = torch.load(tmp_path / 'c.pth')['state_dict']
    # Of the two heads of mmpretrain, the simpler one is written.
    want = {key.replace('head.layers.head.', 'head.fc.'): value for key, value in want.items()}
    assert again.keys() == want.keys()
    assert all(torch.equal(again[key], want[key]) for key in want)


@torch.no_grad()
@pytest.mark.parametrize('changes', [
    dict(with_cls_token=False, out_type='avg_featmap', final_norm=False), dict(qkv_bias=False)])
def test_hosts_open_what_is_unusual(changes: dict, tmp_path) -> None:
    """Through timm's layout and back into the host's own class."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model, again = (MMPRETRAIN.build(IMAGE_VIT | changes) for _ in range(2))
    for network, seed in ((model, 3), (again, 9)):
        tiny_vits.randomise(network, seed)  # whose eval() returns nothing
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('timm', num_heads=3))
    convert_checkpoint(tmp_path / 'b.pth', tmp_path / 'c.pth', Options('mmpretrain'))
    state = torch.load(tmp_path / 'c.pth')['state_dict']
    again.load_state_dict({key.removeprefix('backbone.'): value for key, value in state.items()})
    assert torch.equal(again(pixels('image'))[-1], model(pixels('image'))[-1])


@torch.no_grad()
def test_mmaction_opens_an_encoder_without_biases(tmp_path) -> None:
    config = MODELS['recognizer']['backbone'] | dict(qkv_bias=False, use_mean_pooling=True)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model, again = (tiny_vits.randomise(MMACTION.build(config), seed) for seed in (3, 9))
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('videomae', part='encoder'))
    convert_checkpoint(tmp_path / 'b.pth', tmp_path / 'c.pth', Options(
        'mmaction2', source_size=32, source_frames=4))
    state = torch.load(tmp_path / 'c.pth')['state_dict']
    again.load_state_dict({key.removeprefix('backbone.'): value for key, value in state.items()})
    assert torch.equal(again(pixels('video')), model(pixels('video')))


def test_the_decoder_of_mmpretrain_has_positions_of_its_own(tmp_path) -> None:
    """Its table has row and column the other way round, which ours cannot hold."""
    model = build('mae')
    model.neck.init_weights()
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='computes the table decoder.pos_embed'):
        convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('amd_mm'))
    convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('amd_mm', part='encoder'))
