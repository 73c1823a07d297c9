"""Frames in order: the same pictures as by number, and the times of the file."""
import av
import clips
import numpy as np
import pytest
from clips import ODD, REAL

from amd_mm.datasets.transforms import frame_stream
from amd_mm.datasets.transforms.containers import open_container
from amd_mm.datasets.transforms.frame_stream import Look, frames_in_order
from amd_mm.datasets.transforms.indexed_video import IndexedVideo


@pytest.mark.parametrize('name', ['plain.mp4', 'cut.ts', 'cut.avi', 'live.webm', 'cut_tail.mp4'])
def test_in_order_and_by_number_are_the_same_frames(name):
    found = IndexedVideo(open_container((ODD / name).read_bytes()))
    numbered = list(found.decode(range(len(found))).values())
    ordered = []
    try:
        for frame in frames_in_order(open_container((ODD / name).open('rb'))):
            ordered.append(frame.picture)
    except ValueError as error:
        assert name in ('cut.avi', 'cut_tail.mp4')
        assert f'frame {len(ordered)} (from 0) is damaged or cut off' in str(error)
    else:
        assert len(ordered) == len(numbered)
    assert len(ordered) >= 15
    np.testing.assert_array_equal(ordered, numbered[:len(ordered)])


def test_times_are_those_of_the_file(tmp_path):
    times = [0, .04, .08, .5, .54, 2]
    path = clips.write_at(tmp_path / 'uneven.mkv', times)
    frames = list(frames_in_order(open_container(path.open('rb'))))
    assert [frame.time for frame in frames] == pytest.approx(times)
    # A stream that was cut out of a longer one begins at 0 all the same.
    late = clips.write_at(tmp_path / 'late.ts', [100 + time for time in times])
    frames = list(frames_in_order(open_container(late.open('rb'))))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-4)


def test_frames_without_times_are_counted(tmp_path):
    with av.open(str(tmp_path / 'raw.h264'), 'w') as container:
        stream = container.add_stream('libx264', rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for level in range(4):
            picture = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, 'rgb24')))
        container.mux(stream.encode(None))
    container = open_container((tmp_path / 'raw.h264').open('rb'))
    step = 1 / frame_stream.frame_rate(container)
    assert [frame.time for frame in frames_in_order(container)] == pytest.approx(
        [number * step for number in range(4)])


def test_a_picture_is_made_when_it_is_asked_for_and_once():
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.zeros((2, 2, 3), np.uint8)

    frame = frame_stream.ShownFrame(0., 1., make)
    assert not made
    assert frame.picture is frame.picture
    assert made == [1]


def known(length: int, stride: int, places: set[int]) -> Look:
    look = Look()
    look.lie(length, stride)
    for _ in range(2):
        look.learn(places, length)
    return look


def test_what_is_looked_at_is_known_from_two_windows_that_agree():
    look = Look()
    look.learn({0}, 4)
    look.lie(4, 3)
    for places, count, last in (({0}, 4, None), ({0, 1}, 4, None), ({0, 1}, 3, None),
                                ({0, 1}, 4, 4), ({2}, 4, 4)):
        look.learn(places, count)
        assert look.last == last
    # Windows from 0, 3, 6, ...: their first and second frames.
    assert [look(number) for number in range(6)] == [True, True, False] * 2
    assert known(4, 4, {0, 1, 2, 3}).last is None
    assert [known(4, 2, {3})(number) for number in range(8)] == [False] * 3 + [
        True, False, True, False, True]


@pytest.mark.parametrize(('path', 'least'), [
    (REAL / 'bikes.mp4', 60), (REAL / 'carphone_pristine.mp4', 30), (REAL / 'bigbuckbunny.mp4', 0),
    *((path, 0) for path in sorted(ODD.iterdir()))], ids=lambda value: getattr(value, 'name', ''))
def test_what_nobody_looks_at_and_no_frame_refers_to_is_left_out(path, least):
    """All else is the same, and so are all times, whatever the file."""
    def read(look: Look | None) -> tuple[list[tuple[float, float]], list[np.ndarray | None], str]:
        times, pictures, error = [], [], ''
        try:
            for frame in frames_in_order(open_container(path.open('rb')), look):
                times.append((frame.time, frame.duration))
                try:
                    pictures.append(frame.picture)
                except ValueError as reason:
                    assert 'that was left out' in str(reason)
                    pictures.append(None)
        except ValueError as reason:
            error = str(reason)
        return times, pictures, error

    times, pictures, error = read(None)
    look = known(16, 8, {0, 4, 8, 12})
    fewer_times, fewer, same_error = read(look)
    if times and error:
        # Read ahead, damage is found a few frames earlier.
        assert same_error.startswith('a video must be whole to its end, but frame ')
        assert len(times) - 32 <= len(fewer_times) <= len(times)
        times = times[:len(fewer_times)]
    else:
        assert same_error == error
    assert fewer_times == times
    left_out = {number for number, picture in enumerate(fewer) if picture is None}
    assert len(left_out) >= least
    assert not any(look(number) for number in left_out)
    assert error or max(left_out, default=-1) < len(times) - 16
    for number in set(range(len(times))) - left_out:
        np.testing.assert_array_equal(fewer[number], pictures[number])
