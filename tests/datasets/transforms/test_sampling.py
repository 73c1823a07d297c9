import numpy as np
import pytest

from amd_mm.datasets.transforms import (
    SampleEvenFrames,
    SampleKeyFrameClip,
    SampleSegmentClips,
    SampleSegmentFrames,
    SampleStridedClips,
    SampleStridedFrames,
)


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


def ids_of(sample, length: int, start_index: int = 0) -> np.ndarray:
    """(num_clips, clip_len) frame numbers."""
    results = sample(dict(total_frames=length, start_index=start_index))
    return results['frame_inds'].reshape(results['num_clips'], results['clip_len'])


@pytest.mark.parametrize('clips', [2, 3])
def test_segment_clips_are_the_released_ones(clips):
    """All frames of all clips are sorted there, and dealt out in turn."""
    sample = SampleSegmentClips(16, clips)
    for length in range(1, 201):
        tick = length / 16
        everything = sorted([int(tick * x) for x in range(16)]
                            + [int(tick / y + tick * x) for y in range(2, clips + 1)
                               for x in range(16)])
        found = ids_of(sample, length)
        for clip in range(clips):
            assert found[clip].tolist() == everything[clip::clips], length


@pytest.mark.parametrize('clip_len,interval,clips', [(16, 4, 5), (8, 3, 2)])
def test_strided_clips_are_the_released_ones(clip_len, interval, clips):
    """The video is thinned out first; clips are cut from what is left."""
    sample = SampleStridedClips(clip_len, interval, clips)
    for length in [*range(1, 201), 300]:
        thinned = list(range(0, length, interval))
        thinned += [thinned[-1]] * (clip_len - len(thinned))
        step = (len(thinned) - clip_len) / (clips - 1)
        expected = [thinned[int(clip * step):][:clip_len] for clip in range(clips)]
        assert ids_of(sample, length).tolist() == expected, length


def test_segment_frames_come_from_the_released_segments():
    np.random.seed(0)
    sample = SampleSegmentFrames(16)
    for length in range(1, 201):
        segment = length // 16
        drawn = np.concatenate([ids_of(sample, length) for _ in range(60)])
        if segment == 0:
            expected = [0] * (16 - length) + list(range(length))
            assert (drawn == expected).all(), length
            continue
        begins = np.arange(16) * segment
        assert (drawn // segment == np.arange(16)).all() and drawn.max() < 16 * segment, length
        # Every frame of a segment, each on its own.
        assert drawn.min(0).tolist() == begins.tolist() or segment > 6, length
        assert len(np.unique(drawn - begins, axis=0)) > 50 or segment < 2, length


def test_counting_from_one_and_what_is_handed_on():
    results = SampleStridedClips(4, 2, 3)(dict(total_frames=20, start_index=1))
    assert results['frame_inds'].tolist() == [1, 3, 5, 7, 7, 9, 11, 13, 13, 15, 17, 19]
    assert (results['clip_len'], results['frame_interval'], results['num_clips']) == (4, 2, 3)
    assert SampleSegmentFrames(4)(
        dict(total_frames=20, start_index=1))['frame_interval'] is None
    for kind in (lambda: SampleStridedClips(4, 2, 0), lambda: SampleSegmentClips(4, 0)):
        with pytest.raises(ValueError, match='num_clips .* at least 1, got 0'):
            kind()


def test_one_clip_alone_stands_in_the_middle():
    assert ids_of(SampleStridedClips(4, 2, 1), 20).tolist() == [[6, 8, 10, 12]]
    assert ids_of(SampleStridedClips(4, 2, 1), 3).tolist() == [[0, 2, 2, 2]]
    assert ids_of(SampleSegmentClips(4, 1), 20).tolist() == [[2, 7, 12, 17]]


@pytest.mark.parametrize('second', [0, 1, 2, 5, 9, 10])
def test_frames_around_a_key_frame_are_the_released_ones(second):
    """There 64 frames are cut out around the key frame, of which every 4th is taken."""
    video = np.arange(300)
    results = SampleKeyFrameClip(16, 4)(dict(
        fps=30, timestamp=second + 900, timestamp_start=900, total_frames=300, start_index=1))
    around = np.pad(video, 32, mode='edge')[30 * second:30 * second + 64]
    start = (len(around) - 16 * 4) // 2 + (4 - 1) // 2
    assert results['frame_inds'].tolist() == (around[start::4] + 1).tolist()
    assert (results['clip_len'], results['num_clips']) == (16, 1)
    assert results['crop_quadruple'].tolist() == [0, 0, 1, 1]
