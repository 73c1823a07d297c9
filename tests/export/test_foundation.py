"""Foundation encoders: what the table says is what timm and Transformers build."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm imports

import pytest
import timm
import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    VJEPA2Config,
    VJEPA2Model,
)

from amd_mm.export.foundation import FOUNDATION, foundations_like
from amd_mm.models.teachers import TimmTeacher

OF_TIMM = [entry for entry in FOUNDATION if entry.timm]


def test_entries_are_complete():
    assert len({entry.name for entry in FOUNDATION}) == len(FOUNDATION)
    for entry in FOUNDATION:
        assert entry.source.startswith('https://github.com/') and entry.licence
        assert entry.timm or entry.folder
    licences = {entry.name.partition('-')[0]: entry.licence for entry in FOUNDATION}
    assert licences['dinov3'].startswith('DINOv3 License') and licences['clip'].startswith('MIT')


@pytest.mark.parametrize('entry', OF_TIMM, ids=lambda entry: entry.name)
def test_timm_builds_what_the_table_says(entry):
    with torch.device('meta'):
        network = timm.create_model(entry.architecture, pretrained=False, num_classes=0)
    said = timm.models.get_pretrained_cfg(entry.timm)
    assert (network.embed_dim, len(network.blocks)) == (entry.width, entry.depth)
    assert network.patch_embed.patch_size == (entry.patch, ) * 2
    assert network.patch_embed.img_size == (entry.size, ) * 2 == said.input_size[1:]
    assert (network.cls_token is not None) == entry.class_token
    assert network.num_prefix_tokens == entry.class_token + entry.registers
    for have, want in zip(entry.statistics, (said.mean, said.std), strict=True):
        assert have == pytest.approx([255 * value for value in want])
    assert said.hf_hub_id == entry.hub
    assert entry in foundations_like(network.state_dict())


@pytest.mark.parametrize(('kind', 'config', 'name'), [
    (Dinov2WithRegistersModel, Dinov2WithRegistersConfig(
        hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14),
     'dinov2-small-registers'),
    (CLIPVisionModel, CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
        patch_size=14), 'clip-large-14'),
    (SiglipVisionModel, SiglipVisionConfig(), 'siglip-base'),
    (VJEPA2Model, VJEPA2Config(), 'vjepa2-large')])
def test_folders_of_transformers_are_recognised(kind, config, name):
    with torch.device('meta'):
        state = kind(config).state_dict()
    assert name in [entry.name for entry in foundations_like(state)]


def test_other_networks_are_not_taken_for_one():
    with torch.device('meta'):
        other = timm.create_model('vit_tiny_patch16_224', num_classes=0).state_dict()
        resnet = timm.create_model('resnet18').state_dict()
    assert foundations_like(other) == foundations_like(resnet) == []


def test_the_teacher_says_the_statistics_of_its_entry():
    """What ``TimmTeacher`` normalises with where nothing is set."""
    entry = next(entry for entry in OF_TIMM if entry.name == 'siglip-base')
    with pytest.warns(UserWarning, match='random weights'):
        teacher = TimmTeacher(entry.architecture, [1], None, input_mean=[0.] * 3,
                              input_std=[1.] * 3)
    assert teacher.pixel_scale.flatten().tolist() == pytest.approx([1 / 127.5] * 3)
    assert teacher.pixel_shift.flatten().tolist() == pytest.approx([-1.] * 3)
