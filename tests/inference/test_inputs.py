"""What comes out of files, and what is said of those that are odd or broken."""
import clips
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from amd_mm.inference import Input, batch_of, frame_interval_of, read_clip, read_image
from amd_mm.registry import MODELS


def picture(path, height, width, **colour):
    """Red grows to the right, green to the bottom; no blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = np.arange(width), np.arange(height)[:, None]
    Image.fromarray(pixels).save(path)
    return pixels


def test_a_picture_of_the_right_size_is_not_touched(tmp_path):
    pixels = picture(tmp_path / 'a picture.png', 24, 24)
    item = read_image(tmp_path / 'a picture.png', (24, 24))
    assert np.array_equal(item.pixels.permute(1, 2, 0), pixels) and item.notes == ()


def test_a_picture_is_cut_in_the_middle(tmp_path):
    pixels = picture(tmp_path / 'wide.png', 24, 40)
    item = read_image(tmp_path / 'wide.png', (24, 24))
    assert np.array_equal(item.pixels.permute(1, 2, 0), pixels[:, 8:32])
    # In other sizes too: its red is the column, its green the row.
    for side in (16, 64):
        red, green, _ = read_image(tmp_path / 'wide.png', (side, side)).pixels.float()
        assert red.shape == (side, side)
        for values, (first, last) in ((red[0], (8, 31)), (green[:, 0], (0, 23))):
            assert abs(values[0] - first) <= 1 and abs(values[-1] - last) <= 1


def test_a_picture_without_colour_is_said(tmp_path):
    Image.fromarray(np.arange(576, dtype=np.uint8).reshape(24, 24)).save(tmp_path / 'gray.png')
    item = read_image(tmp_path / 'gray.png', (24, 24))
    assert 'no colour' in item.notes[0]
    assert torch.equal(item.pixels[0].flatten(), torch.arange(576).byte())
    assert torch.equal(item.pixels[1], item.pixels[0])


def test_unreadable_pictures_are_named(tmp_path):
    (tmp_path / 'text.png').write_text('no picture')
    for name in ('text.png', 'missing.png', '.'):
        with pytest.raises(ValueError, match=f'{tmp_path / name}: must be a picture'):
            read_image(tmp_path / name, (24, 24))


@pytest.mark.parametrize('interval, expected', [(1, range(26, 34)), (4, range(15, 47, 4))])
def test_a_clip_is_the_middle_of_the_video(tmp_path, interval, expected):
    path = clips.write_video(tmp_path / 'a video.mp4', 60)
    item = read_clip(path, (8, 32, 32), interval)
    assert item.pixels.shape == (3, 8, 32, 32) and item.pixels.dtype == torch.uint8
    frames = [clips.frame_number(frame.numpy()) for frame in item.pixels.movedim(1, 0)]
    assert frames == list(expected)
    assert item.fps == pytest.approx(10 / interval) and item.notes == ()


def test_a_short_clip_repeats_its_last_strided_frame_and_says_so(tmp_path):
    item = read_clip(clips.write_video(tmp_path / 'short.mp4', 10), (8, 32, 32), 4)
    frames = [clips.frame_number(frame.numpy()) for frame in item.pixels.movedim(1, 0)]
    assert frames == [0, 4, 8, 8, 8, 8, 8, 8]
    assert item.notes == ('it has 10 frames, 8 at interval 4 span 29: the last one taken is '
                          'repeated', )


def test_a_wide_real_clip_is_cut_in_the_middle():
    item = read_clip(clips.REAL / 'bikes.mp4', (2, 32, 32), 4)
    assert item.pixels.shape == (3, 2, 32, 32) and item.pixels.float().std() > 20


def test_unreadable_videos_are_named(tmp_path):
    broken = clips.write_broken_videos(tmp_path)
    for name in ('empty', 'no_video_file', 'no_index', 'no_video_stream'):
        with pytest.raises(ValueError, match=f'{broken[name]}: must be a video'):
            read_clip(broken[name], (8, 32, 32))


@pytest.mark.parametrize('preprocessor', [
    dict(type='mmengine.ImgDataPreprocessor', bgr_to_rgb=True),
    dict(type='mmpretrain.SelfSupDataPreprocessor', to_rgb=True),
    dict(type='mmpretrain.SelfSupDataPreprocessor'),
])
def test_the_network_sees_red_first_in_images(tmp_path, preprocessor):
    pixels = picture(tmp_path / 'picture.png', 24, 24)
    model = MODELS.build(dict(preprocessor, mean=[0, 0, 0], std=[1, 1, 1]))
    inputs = batch_of(read_image(tmp_path / 'picture.png', (24, 24)), model)
    seen = model(dict(inputs=inputs, data_samples=[None]))['inputs']
    assert np.array_equal(seen[0].permute(1, 2, 0), pixels)


@pytest.mark.parametrize('to_rgb', [False, True])
def test_the_network_sees_red_first_in_clips(to_rgb):
    model = MODELS.build(dict(
        type='mmaction.ActionDataPreprocessor', format_shape='NCTHW', to_rgb=to_rgb))
    item = read_clip(clips.REAL / 'bikes.mp4', (2, 32, 32))
    seen = model(dict(inputs=batch_of(item, model), data_samples=[None]))['inputs']
    assert torch.equal(seen, item.pixels[None, None].float())


def test_the_interval_is_the_configs_wherever_it_stands():
    loader = dict(dataset=dict(
        type='amd_mm.KeyedDataset', pipeline=[dict(type='Crop')], dataset=dict(pipeline=[
            dict(type='mmaction.DecordInit'),
            dict(type='amd_mm.SampleStridedFrames', clip_len=16, frame_interval=4)])))
    assert frame_interval_of(Config(dict(train_dataloader=loader)).train_dataloader) == 4
    assert frame_interval_of(None) == 1
    assert frame_interval_of(dict(dataset=dict(pipeline=[dict(type='Crop')]))) == 1


@pytest.mark.parametrize('height, width, rows, columns', [
    (24, 40, slice(6, 18), slice(0, 40)),  # too high for 3:10
    (12, 80, slice(0, 12), slice(20, 60)),  # too wide for it
])
def test_the_largest_part_of_another_shape(tmp_path, height, width, rows, columns):
    pixels = picture(tmp_path / 'a.png', height, width)
    item = read_image(tmp_path / 'a.png', (12, 40))
    assert np.array_equal(item.pixels.permute(1, 2, 0), pixels[rows, columns])
    red, green, _ = read_image(tmp_path / 'a.png', (24, 80)).pixels.float()
    assert abs(red[0, 0] - columns.start) <= 1 and abs(red[0, -1] - columns.stop + 1) <= 1
    assert abs(green[0, 0] - rows.start) <= 1 and abs(green[-1, 0] - rows.stop + 1) <= 1


def test_the_largest_part_of_a_clip(tmp_path):
    path = clips.write_video(tmp_path / 'a.mp4', 10)
    whole = read_clip(path, (8, 32, 32)).pixels
    assert torch.equal(read_clip(path, (8, 16, 32)).pixels, whole[:, :, 8:24])


@pytest.mark.parametrize('size', [(3, 16, 24), (3, 4, 16, 24)])
def test_one_channel_is_opencvs_gray(size):
    pixels = torch.randint(256, size, dtype=torch.uint8)
    weights = torch.tensor([.299, .587, .114]).view(3, *[1] * (len(size) - 1))
    batch = batch_of(Input(pixels, (), 0.), torch.nn.Identity(), 1)[0]
    gray = batch if batch.dim() == len(size) else batch[0]
    assert gray.shape == (1, *size[1:]) and gray.dtype == torch.uint8
    assert (gray - (pixels * weights).sum(0, keepdim=True)).abs().max() < .51
    with pytest.raises(ValueError, match='1 or 3 input channels, got in_channels=4'):
        batch_of(Input(pixels, (), 0.), torch.nn.Identity(), 4)
