import numpy as np
import pytest

from amd_mm.inference import video_frames
from amd_mm.visualization import VideoFile, caption


def test_text_stands_in_the_corner_and_nothing_else_changes():
    image = np.random.default_rng(0).integers(256, size=(120, 160, 3), dtype=np.uint8)
    before = image.copy()
    drawn = caption(image, ['0.912  cat', '0.050  dog'])
    assert np.array_equal(image, before) and drawn.shape == image.shape
    assert np.array_equal(drawn[60:], image[60:]) and np.array_equal(drawn[:, 120:], image[:, 120:])
    corner = drawn[:30, :60]
    assert corner.mean() < image[:30, :60].mean() - 20 and corner.max() == 255
    assert not np.array_equal(drawn, caption(image, ['0.912  cow', '0.050  dog']))
    assert np.array_equal(caption(image, []), image)


def test_a_written_video_plays_again(tmp_path):
    levels = [20, 90, 160, 230]
    with VideoFile(tmp_path / 'out.mp4', 5) as file:
        for level in levels:
            file.write(np.full((48, 64, 3), (level, 0, 255 - level), np.uint8))
    fps, frames = video_frames(tmp_path / 'out.mp4')
    frames = list(frames)
    assert fps == 5 and len(frames) == 4
    assert [frame.time for frame in frames] == pytest.approx([0, .2, .4, .6])
    for level, frame in zip(levels, frames, strict=True):
        assert np.abs(frame.picture.mean((0, 1)) - (level, 0, 255 - level)).max() < 6


def test_frames_have_times_of_their_own_and_odd_edges_are_there_twice(tmp_path):
    times = [0, .5, .501, 3, 3]
    with VideoFile(tmp_path / 'out.mp4', 24000 / 1001) as file:
        for time in times:
            file.write(np.full((47, 63, 3), 100, np.uint8), time)
    frames = list(video_frames(tmp_path / 'out.mp4').frames)
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-4)
    assert frames[0].picture.shape == (48, 64, 3)
    assert np.abs(frames[0].picture.astype(int) - 100).max() < 4


def test_a_video_that_cannot_be_written_is_an_error(tmp_path):
    with (pytest.raises(ValueError, match='out.mp4: must be a video that can be written, but'),
          VideoFile(tmp_path / 'no folder' / 'out.mp4', 5) as file):
        file.write(np.zeros((48, 64, 3), np.uint8))
