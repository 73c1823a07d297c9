"""Configs by a command, without the training; a whole way is in tests/integration."""
from pathlib import Path

import pytest
import tiny_vits
from encoder_files import save
from mmengine.config import Config

from amd_mm.command.finetune import finetune
from amd_mm.command_line import read_config_file
from amd_mm.datasets.labels import fill_classes
from amd_mm.registry import MODELS


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Class folders of videos and of pictures, 5 of each class, and encoders of both."""
    root = tmp_path_factory.mktemp('data')
    for kind, suffix in (('videos', 'mp4'), ('pictures', 'png')):
        for name in ('cat', 'dog'):
            (root / kind / name).mkdir(parents=True)
            for number in range(5):
                (root / kind / name / f'{number}.{suffix}').touch()
    save(tiny_vits.video_vit(), root / 'video.pth')
    save(tiny_vits.image_vit(), root / 'image.pth')
    return root


def config(out: Path, data: Path, checkpoint: Path, **kwargs: object) -> Config:
    """What the command writes, read again."""
    assert finetune(data, out, checkpoint, config_only=True, **kwargs) is None
    return read_config_file(out / 'config.py')


@pytest.mark.parametrize('kind, name, head', [
    ('videos', 'video', 'cls_head'), ('pictures', 'image', 'head')])
def test_network_head_and_classes_follow_from_checkpoint_and_data(
        data, tmp_path, kind, name, head):
    cfg = config(tmp_path, data / kind, data / f'{name}.pth')
    assert cfg.model.backbone.init_cfg.checkpoint == str(data / f'{name}.pth')
    assert (cfg.model.backbone.img_size, cfg.model.backbone.patch_size) == (32, 8)
    # 5 of each class, one of them to validate with; a tenth of 8.
    lists = {part: (tmp_path / f'lists/{part}.txt').read_text().splitlines()
             for part in ('train', 'val', 'classes')}
    assert [len(lines) for lines in lists.values()] == [8, 2, 2]
    assert cfg.global_batch_size == 1
    assert fill_classes(cfg) == ('cat', 'dog')
    assert (cfg.model[head].num_classes, cfg.model[head].in_channels) == (2, 24)
    preprocessor = cfg.model.get('data_preprocessor') or cfg.data_preprocessor
    MODELS.build(dict(cfg.model, data_preprocessor=preprocessor)).init_weights()
    if kind == 'videos':
        assert cfg.model.backbone.num_frames == 4
        assert cfg.optim_wrapper.paramwise_cfg.num_layers == 2
        assert cfg.test_dataloader.dataset.pipeline[4].crop_size == 32


def test_another_size_is_asked_for(data, tmp_path):
    cfg = config(tmp_path, data / 'videos', data / 'video.pth', size=64, frames=8, batch=4)
    assert (cfg.model.backbone.img_size, cfg.model.backbone.num_frames) == (64, 8)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-4 / 2)


@pytest.mark.parametrize('kind, name, message', [
    ('videos', 'image', '--from must be an encoder of videos .* is one of images; take another'),
    ('pictures', 'video', '--from must be an encoder of images .* is one of videos'),
    ('pictures/cat', 'image', 'must hold one folder a class, found none')])
def test_what_does_not_fit_is_refused_before_anything_is_written(
        data, tmp_path, kind, name, message):
    with pytest.raises(ValueError, match=message):
        config(tmp_path / 'out', data / kind, data / f'{name}.pth')
    assert not (tmp_path / 'out').exists()
