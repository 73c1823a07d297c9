"""Configs by a command, without the training; a whole way is in tests/integration."""
from pathlib import Path

import numpy as np
import pytest
import tiny_vits
from clips import write_video
from encoder_files import save
from mmengine.config import Config
from PIL import Image

from amd_mm.command.pretrain import pretrain
from amd_mm.command.teaching import moved_taps
from amd_mm.command_line import read_config_file
from amd_mm.registry import MODELS

SMALL = {'model.backbone.depth': 2, 'model.backbone.embed_dims': 24, 'model.backbone.num_heads': 3,
         'model.decoder.embed_dims': 12, 'model.decoder.num_heads': 3, 'model.decoder.depth': 1}
SMALL_IMAGE = {
    'model.backbone.arch': dict(_delete_=True, embed_dims=24, num_layers=2, num_heads=3,
                                feedforward_channels=96),
    'model.decoder.embed_dims': 12, 'model.decoder.num_heads': 3, 'model.decoder.depth': 1}


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """20 videos, 20 pictures, a teacher of either."""
    root = tmp_path_factory.mktemp('data')
    for folder in ('videos', 'pictures'):
        (root / folder).mkdir()
    for number in range(20):
        write_video(root / f'videos/{number}.mp4', 6)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / f'pictures/{number}.png')
    save(tiny_vits.video_vit(), root / 'video.pth')
    save(tiny_vits.image_vit(), root / 'image.pth')
    return root


def config(out: Path, data: Path, teacher: Path | None = None, **kwargs: object) -> Config:
    """What the command writes, read again."""
    small = SMALL_IMAGE if data.name == 'pictures' else SMALL
    kwargs['cfg_options'] = small | kwargs.get('cfg_options', {})
    assert pretrain(data, out, teacher, config_only=True, **kwargs) is None
    return read_config_file(out / 'config.py')


def test_of_videos_network_input_and_taps_follow_the_teacher(data, tmp_path):
    cfg = config(tmp_path, data / 'videos', data / 'video.pth')
    model = cfg.model
    assert model.type == 'amd_mm.AMD' and model.teacher.checkpoint == str(data / 'video.pth')
    assert (model.taps, model.teacher.taps) == ((1, 2), (1, 2))
    for backbone in (model.backbone, model.teacher.backbone):
        assert (backbone.img_size, backbone.patch_size, backbone.num_frames) == (32, 8, 4)
    loader = cfg.train_dataloader
    assert loader.dataset.pipeline[1].scale == (32, 32)
    assert loader.dataset.dataset.pipeline[1].clip_len == 4
    assert loader.dataset.dataset.data_prefix.video == str(data / 'videos')
    # 20 videos: two an update; the rate is that of 512 by the number.
    assert (cfg.global_batch_size, loader.batch_size) == (2, 2)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(2.4e-3 * 2 / 512)
    assert cfg.auto_scale_lr.base_batch_size == 2
    MODELS.build(model)
    text = (tmp_path / 'config.py').read_text()
    assert len(text.splitlines()) <= 35 and 'amd_mm::amd/amd_vit-small-p16_b512' in text


def test_of_pictures_likewise(data, tmp_path):
    cfg = config(tmp_path, data / 'pictures', data / 'image.pth', method='dmae',
                 student='vit-small', epochs=50, batch=4)
    assert cfg.model.backbone.img_size == cfg.model.teacher.backbone.img_size == 32
    assert cfg.train_dataloader.dataset.pipeline[0].scale == 32
    assert cfg.train_dataloader.dataset.dataset.type == 'amd_mm.PictureDataset'
    # Three quarters up, of 24 blocks and of 12.
    assert (cfg.model.taps, cfg.model.teacher.taps) == ((2, ), (2, ))
    assert cfg.global_batch_size == 4
    # 20 of 100 epochs of warm-up are 10 of 50.
    assert cfg.train_cfg.max_epochs == 50
    assert [cfg.param_scheduler[0].end, cfg.param_scheduler[1].begin] == [10, 10]
    MODELS.build(cfg.model)


def test_without_a_teacher_it_learns_from_pixels(data, tmp_path):
    cfg = config(tmp_path, data / 'pictures', student='vit-large', size=64, patch=8)
    assert cfg.model.type == 'amd_mm.MaskedAutoencoder' and 'teacher' not in cfg.model
    assert (cfg.model.backbone.img_size, cfg.model.backbone.patch_size) == (64, 8)


def test_a_short_run_warms_up_over_two_updates_at_least(data, tmp_path):
    """Of one update MMEngine never leaves the first rate."""
    cfg = config(tmp_path, data / 'pictures', epochs=1, batch=1)
    updates = len(list((data / 'pictures').rglob('*.png')))
    assert cfg.param_scheduler[0].end == pytest.approx(2 / updates, abs=1e-4)
    assert int(cfg.param_scheduler[0].end * updates) == 2
    assert cfg.param_scheduler[1].begin == cfg.param_scheduler[0].end


def test_a_list_is_data_too(data, tmp_path):
    (data / 'some.txt').write_text(''.join(f'videos/{number}.mp4\n' for number in range(4)))
    cfg = config(tmp_path, data / 'some.txt')
    assert cfg.train_dataloader.dataset.dataset.ann_file == str(data / 'some.txt')
    assert cfg.train_dataloader.dataset.dataset.data_prefix.video == str(data)
    assert cfg.model.type == 'amd_mm.MaskedAutoencoder'


def test_a_teacher_of_another_size_is_interpolated(data, tmp_path):
    cfg = config(tmp_path, data / 'pictures', data / 'image.pth', size=48)
    assert cfg.model.teacher.checkpoint == str(tmp_path / 'teacher.pth')
    model = MODELS.build(cfg.model)
    assert model.backbone.grid.input_size == (48, 48)
    assert [lesson.teacher.backbone.grid.num_tokens for lesson in model.lessons] == [36]


def test_patches_of_the_students_own_leave_the_teacher_its(data, tmp_path):
    cfg = config(tmp_path, data / 'pictures', data / 'image.pth', patch=16)
    model = MODELS.build(cfg.model)
    assert model.backbone.grid.patch == (16, 16) and model.backbone.grid.num_tokens == 4
    # 2 x 2 tokens of 8 pixels.
    assert model.lessons[0].teacher.backbone.grid.input_size == (16, 16)


def test_options_stand_in_the_config_lists_whole(data, tmp_path):
    cfg = config(tmp_path, data / 'videos', cfg_options={
        'train_dataloader.dataset.dataset.pipeline.1.frame_interval': 1,
        'optim_wrapper.optimizer.lr': .5})
    assert cfg.train_dataloader.dataset.dataset.pipeline[1].frame_interval == 1
    assert cfg.train_dataloader.dataset.dataset.pipeline[2].type == 'amd_mm.PyAVDecode'
    assert cfg.optim_wrapper.optimizer.lr == .5


def test_a_run_that_is_there_is_left_alone(data, tmp_path):
    (tmp_path / 'epoch_1.pth').write_text('')
    with pytest.raises(ValueError, match='must hold no other one'):
        config(tmp_path, data / 'videos')
    assert not (tmp_path / 'config.py').exists()


@pytest.mark.parametrize('taps, old, new, moved', [
    ((12, 24), 24, 12, (6, 12)), ((12, 24), 24, 40, (20, 40)), ((18, ), 24, 2, (2, )),
    ((6, 12), 12, 2, (1, 2))])
def test_taps_keep_their_share_of_the_depth(taps, old, new, moved):
    assert moved_taps(taps, old, new) == moved


@pytest.mark.parametrize('options, message', [
    (dict(method='amd'), '--method amd needs a --teacher; name one'),
    (dict(method='videomae', teacher='video.pth'), '--method videomae has no --teacher; leave it'),
    (dict(method='mvd', teacher='video.pth'), '--method mvd has several teachers'),
    (dict(teacher='image.pth'), '--teacher must be an encoder of videos as the data is'),
    (dict(student='vit-tiny'), "--student must be one of vit-small, .* got 'vit-tiny'"),
    (dict(batch=21), '--batch must be at most the samples to train on, got 21 and 20'),
    (dict(batch=3, processes=2), '--batch must be a multiple of the processes, got 3 and 2'),
    (dict(modality='image'), 'must hold pictures, as --modality image says'),
])
def test_what_does_not_fit_is_refused_before_anything_is_written(
        data, tmp_path, options, message):
    if 'teacher' in options:
        options = options | dict(teacher=data / options['teacher'])
    with pytest.raises(ValueError, match=message):
        config(tmp_path / 'out', data / 'videos', **options)
    assert not (tmp_path / 'out').exists()
