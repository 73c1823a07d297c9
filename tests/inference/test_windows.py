import clips
import numpy as np
import pytest

from amd_mm.inference import camera_frames, sliding_windows, video_frames


def frames(count: int) -> list[np.ndarray]:
    return [np.full((2, 2, 3), number, np.uint8) for number in range(count)]


@pytest.mark.parametrize('count, length, stride, expected', [
    (10, 4, 2, [(0, 4), (2, 6), (4, 8), (6, 10)]),
    # The end is covered, too.
    (9, 4, 4, [(0, 4), (4, 8), (5, 9)]),
    (10, 3, 5, [(0, 3), (5, 8), (7, 10)]),
    (4, 4, 9, [(0, 4)]),
    (2, 4, 2, [(0, 2)]),
    (0, 4, 2, []),
])
def test_windows_cover_the_video_to_its_end(count, length, stride, expected):
    windows = list(sliding_windows(iter(frames(count)), length, stride))
    assert [(window.start, window.end) for window in windows] == expected
    for start, end, some in windows:
        assert [int(frame[0, 0, 0]) for frame in some] == list(range(start, end))


def test_files_and_streams_give_every_frame(tmp_path):
    path = clips.write_video(tmp_path / 'numbers.mp4', 12)
    for source in (video_frames(path), camera_frames(str(path))):
        assert source.fps == 10
        numbers = [clips.frame_number(frame) for frame in source.frames]
        assert numbers == list(range(12))


def test_colours_are_rgb_from_both():
    path = clips.REAL / 'bikes.mp4'
    ours, streamed = next(video_frames(path).frames), next(camera_frames(str(path)).frames)
    # Two decoders round differently; swapped channels would be far apart.
    assert np.abs(ours.astype(int) - streamed).mean() < 3
    assert np.abs(ours.astype(int) - streamed[..., ::-1]).mean() > 6


def test_what_cannot_be_opened_or_decoded_is_named(tmp_path):
    broken = clips.write_broken_videos(tmp_path)
    with pytest.raises(ValueError, match='no_index.mp4: must be a video'):
        video_frames(broken['no_index'])
    with pytest.raises(ValueError, match='corrupt_tail.mp4: must be a video'):
        list(video_frames(broken['corrupt_tail']).frames)
    with pytest.raises(ValueError, match='no_index.mp4: must be a camera or stream'):
        camera_frames(str(broken['no_index']))
