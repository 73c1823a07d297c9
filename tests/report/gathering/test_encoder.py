"""The encoder alone, in a file that can be loaded."""
import pytest
import torch
from golden import amd_video, dmae_image, load_golden
from torch import nn

from amd_mm.checkpoints import load_pretrained
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.report.gathering.encoder import export_encoder


@pytest.mark.parametrize('build', [amd_video, lambda: dmae_image('token')], ids=['video', 'image'])
def test_an_exported_encoder_fills_another_one(build, tmp_path):
    model: MaskedPretraining = load_golden(build())
    found = export_encoder(model, "model = dict(type='amd_mm.AMD')", tmp_path)
    path = tmp_path / found['file']
    assert found['bytes'] == path.stat().st_size
    other = build().backbone
    for weight in other.parameters():
        nn.init.constant_(weight, 9.)
    load_pretrained(other, path)
    expected = model.backbone.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in other.state_dict().items())
    card = path.with_name('encoder.safetensors.md').read_text()
    assert '`amd_mm.AMD`' in card and sorted(p.name for p in tmp_path.iterdir()) == [
        'encoder.safetensors', 'encoder.safetensors.md']
