import numpy as np
import pytest

from amd_mm.datasets.transforms import SampleEvenFrames, SampleStridedFrames


def released_frame_ids(start, length, clip_len, stride):
    """The rule of the released code, frame by frame."""
    frame, ids = start, []
    for _ in range(clip_len):
        ids.append(frame)
        if frame + 1 + stride < length:
            frame += stride
    return ids


@pytest.mark.parametrize('clip_len,interval', [(16, 4), (16, 2), (8, 1), (1, 1), (4, 3)])
def test_strided_frames_are_the_released_ones(clip_len, interval):
    sample = SampleStridedFrames(clip_len, interval)
    span = clip_len * interval
    for length in [*range(1, span + 4), 300]:
        starts = set()
        for _ in range(30):
            results = sample(dict(total_frames=length, start_index=0))
            ids = results['frame_inds'].tolist()
            assert ids == released_frame_ids(ids[0], length, clip_len, interval)
            starts.add(ids[0])
        assert min(starts) >= 0 and max(starts) <= max(length - span, 0)
        assert len(starts) > 1 or length <= span + 3
    assert (results['clip_len'], results['num_clips']) == (clip_len, 1)


def test_short_video_repeats_its_last_strided_frame():
    ids = SampleStridedFrames(6, 4)(dict(total_frames=9, start_index=0))['frame_inds']
    assert ids.tolist() == [0, 4, 4, 4, 4, 4]


def test_every_start_that_fits_is_drawn():
    np.random.seed(0)
    sample = SampleStridedFrames(2, 2)
    starts = {sample(dict(total_frames=7, start_index=1))['frame_inds'][0] for _ in range(200)}
    assert starts == {1, 2, 3, 4}


def test_even_frames_span_a_window_of_32():
    sample = SampleEvenFrames(16, 2)
    ids = sample(dict(total_frames=50, start_index=1))['frame_inds']
    assert (ids - ids[0]).tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31]
    assert 1 <= ids[0] and ids[-1] <= 50


@pytest.mark.parametrize('length,expected', [
    (1, [0, 0, 0, 0]), (3, [0, 2, 2, 2]), (5, [0, 4, 4, 4]), (8, [0, 2, 5, 7])])
def test_even_frames_of_a_short_video_repeat_its_last(length, expected):
    ids = SampleEvenFrames(4, 2)(dict(total_frames=length, start_index=0))['frame_inds']
    assert ids.tolist() == expected


@pytest.mark.parametrize('kind', [SampleStridedFrames, SampleEvenFrames])
def test_wrong_numbers_are_named(kind):
    with pytest.raises(ValueError, match='frame_interval .* at least 1, got 0'):
        kind(16, 0)
    with pytest.raises(ValueError, match='at least one frame, got 0'):
        kind(16, 2)(dict(total_frames=0, start_index=0))
