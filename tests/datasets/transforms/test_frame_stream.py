"""Frames in order: the same pictures as by number, and the times of the file."""
import av
import clips
import numpy as np
import pytest
from clips import ODD

from amd_mm.datasets.transforms import frame_stream
from amd_mm.datasets.transforms.containers import open_container
from amd_mm.datasets.transforms.frame_stream import frames_in_order
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
