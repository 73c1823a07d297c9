"""What to type after a run."""
from types import SimpleNamespace

import pytest
from golden import amd_video, dmae_image
from torch import nn

from amd_mm.engine.next_commands import next_commands
from amd_mm.models.algorithms import MaskedPretraining


def ended(model: nn.Module, work_dir: str = 'out/my run') -> SimpleNamespace:
    hub = SimpleNamespace(runtime_info=dict(last_ckpt='/elsewhere/epoch_3.pth'))
    return SimpleNamespace(model=model, work_dir=work_dir, message_hub=hub, timestamp='now',
                           cfg=SimpleNamespace(filename='configs/a/b.py'))


def lines(model: nn.Module, encoder: str | None = None) -> list[str]:
    return [line for _, line in next_commands(ended(model), encoder)]


def test_of_a_pre_training():
    weights = 'out/my run/encoder.safetensors'
    assert lines(amd_video(), 'encoder.safetensors') == [
        'python tools/train.py FINETUNING_CONFIG --cfg-options '
        f"'model.backbone.init_cfg.checkpoint={weights}'",
        f"python tools/extract_features.py 'out/my run/b.py' '{weights}' FOLDER --out features.npz",
        f"python tools/convert_checkpoint.py '{weights}' encoder.onnx --to onnx"]


@pytest.mark.parametrize('build, recipe', [
    (amd_video, 'own-videos-rgb.py'), (lambda: dmae_image('token'), 'own-images.py')])
def test_a_small_student_has_a_recipe_for_data_of_ones_own(build, recipe, monkeypatch):
    model: MaskedPretraining = build()
    monkeypatch.setattr(model.backbone, 'embed_dims', 384)
    monkeypatch.setattr(type(model.backbone), 'depth', 12)
    first, second, _ = lines(model)
    assert recipe in first and first.endswith("/epoch_3.pth'")
    assert 'my run/epoch_3.pth' in second


def test_of_a_fine_tuning():
    assert lines(nn.Linear(1, 1)) == [
        "python tools/test.py 'out/my run/b.py' 'out/my run/epoch_3.pth'",
        "python tools/predict.py 'out/my run/b.py' 'out/my run/epoch_3.pth' FOLDER",
        "python tools/convert_checkpoint.py 'out/my run/epoch_3.pth' 'out/my run/export' "
        '--to transformers']
