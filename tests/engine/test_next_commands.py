"""What to type after a run."""
from pathlib import Path
from types import SimpleNamespace

import pytest
from golden import amd_video, dmae_image
from mmengine.config import ConfigDict
from torch import nn

from amd_mm.engine.next_commands import next_commands


def ended(model: nn.Module, data: dict) -> SimpleNamespace:
    hub = SimpleNamespace(runtime_info=dict(last_ckpt='/elsewhere/epoch_3.pth'))
    cfg = ConfigDict(
        train_dataloader=dict(dataset=dict(dataset=data)), filename='configs/a/b.py')
    return SimpleNamespace(
        model=model, work_dir='out/my run', message_hub=hub, timestamp='now', cfg=cfg)


def lines(model: nn.Module, encoder: str | None = None, **data) -> list[str]:
    return [line for _, line in next_commands(ended(model, data), encoder)]


@pytest.mark.parametrize('build', [amd_video, lambda: dmae_image('token')])
def test_of_a_pre_training(build):
    weights = 'out/my run/encoder.safetensors'
    assert lines(build(), 'encoder.safetensors') == [
        f"amd-mm finetune --data FOLDER --from '{weights}' --out 'out/my run_finetuned'",
        f"amd-mm features 'out/my run/b.py' '{weights}' FOLDER --out 'out/my run/features.npz'",
        f"amd-mm convert '{weights}' 'out/my run/encoder.onnx' --to onnx --part encoder"]


def test_without_an_encoder_of_its_own_the_checkpoint_is_named():
    assert all("'out/my run/epoch_3.pth'" in line for line in lines(amd_video()))


@pytest.mark.parametrize('data', [
    dict(data_prefix='pictures'), dict(data_root='pictures'),
    dict(data_root='pictures', data_prefix=dict(video=''))])
def test_the_folder_of_the_data_is_named_where_there_is_one(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert 'FOLDER' in lines(amd_video(), **data)[1]
    Path('pictures').mkdir()
    assert "epoch_3.pth' pictures --out" in lines(amd_video(), **data)[1]


def with_parts(**parts: nn.Module) -> nn.Module:
    model = nn.Module()
    for name, part in parts.items():
        model.add_module(name, part)
    return model


def test_of_a_fine_tuning():
    model = with_parts(backbone=nn.Linear(1, 1), cls_head=nn.Linear(1, 1))
    assert lines(model) == [
        "amd-mm test 'out/my run/b.py' 'out/my run/epoch_3.pth'",
        "amd-mm predict 'out/my run/b.py' 'out/my run/epoch_3.pth' FOLDER",
        "amd-mm convert 'out/my run/epoch_3.pth' 'out/my run/export' --to transformers"]


@pytest.mark.parametrize('build, count', [(amd_video, 1), (lambda: dmae_image('token'), 2)])
def test_of_what_is_no_classifier_what_can_be_done(build, count):
    """Actions in videos cannot be predicted without boxes; objects and segments can."""
    assert len(lines(with_parts(backbone=build().backbone, roi_head=nn.Linear(1, 1)))) == count
