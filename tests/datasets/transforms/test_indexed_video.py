from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
from clips import ODD, REAL, write_sound

from amd_mm.datasets.transforms import indexed_video
from amd_mm.datasets.transforms.indexed_video import IndexedVideo

FRAMES, SIZE = 48, (64, 48)
# Every key frame, and every frame that others refer to, at a known place: I B B B P B B B ...
FIXED = {'bf': '3', 'b_strategy': '0',
         'x264-params': 'b-pyramid=none:keyint=16:min-keyint=16:scenecut=0'}
FILES = {
    'h264.mp4': ('libx264', {'g': '20'}),
    'open_gop.mkv': ('libx264', {'g': '12', 'x264-params': 'open-gop=1'}),
    'intra_refresh.mov': ('libx264', {'x264-params': 'intra-refresh=1:keyint=12'}),
    'h264.ts': ('libx264', {'g': '20'}),
    'no_times.avi': ('libx264', {'g': '20'}),
    'hevc.mp4': ('libx265', {'x265-params': 'keyint=12:open-gop=1:log-level=none'}),
    'mpeg4.avi': ('mpeg4', {'g': '12', 'bf': '2'}),
    'hidden_frames.webm': ('libvpx-vp9', {'g': '20', 'b': '200k', 'lag-in-frames': '16'}),
    'fixed.mp4': ('libx264', FIXED),
}


def encode(path, codec, options):
    with av.open(str(REAL / 'bikes.mp4')) as source, av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25, options=options)
        (stream.width, stream.height), stream.pix_fmt = SIZE, 'yuv420p'
        for number, frame in enumerate(islice(source.decode(video=0), FRAMES)):
            frame = frame.reformat(width=SIZE[0], height=SIZE[1], format='yuv420p')
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sequential(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]


@pytest.fixture
def outcome(monkeypatch):
    """Counts what comes out of the decoder."""
    counts = []
    decode = IndexedVideo._decode

    def counted(*args):
        counts.append(0)
        for frame in decode(*args):
            counts[-1] += 1
            yield frame

    monkeypatch.setattr(IndexedVideo, '_decode', counted)
    return counts


@pytest.mark.parametrize('multi_thread', [False, True])
@pytest.mark.parametrize('name', FILES)
def test_frames_are_those_of_sequential_decoding(tmp_path, name, multi_thread):
    path = encode(tmp_path / name, *FILES[name])
    expected = sequential(path)
    video = IndexedVideo(av.open(str(path)), multi_thread)
    assert len(video) == len(expected) == FRAMES and video.avg_fps == 25
    for asked in ([0], [47], [5, 4, 4], [45, 46, 47], range(1, 48, 4), range(20, 36, 4),
                  range(13, 29, 2), range(48)):
        found = video.decode(asked)
        assert found.keys() == set(asked)
        for number, picture in found.items():
            np.testing.assert_array_equal(picture, expected[number])


def test_only_what_is_needed_is_decoded(tmp_path, outcome):
    video = IndexedVideo(av.open(str(encode(tmp_path / 'a.mp4', *FILES['fixed.mp4']))))
    # 32 is a key frame and 36, 40, 44 are referred to; 34 is not, and needs 36.
    video.decode([32, 36, 40, 44])
    video.decode([34])
    # From the key frame 16: 16, 20, 24, 28, which are referred to, 32 after them, and the asked.
    video.decode([29, 30])
    # From the key frame 0, once, though 16 is one too: 0, 4, 8, 12, 16, 20, and the asked.
    video.decode([13, 17])
    assert outcome == [4, 2, 6, 8]


def test_time_of_showing_is_not_trusted_where_there_is_none(tmp_path):
    known = {name: bool(IndexedVideo(av.open(str(encode(tmp_path / name, *FILES[name]))))._times)
             for name in ('h264.mp4', 'no_times.avi')}
    assert known == {'h264.mp4': True, 'no_times.avi': False}


def test_key_frame_that_is_none_costs_time_and_no_frame(tmp_path, outcome):
    path = encode(tmp_path / 'a.mp4', *FILES['h264.mp4'])
    video = IndexedVideo(av.open(str(path)))

    class Packet:
        """Says that it is a key frame."""

        def __init__(self, packet):
            self.pts, self.is_keyframe, self.packet = packet.pts, True, packet

    class Codec:
        """Decodes what is in it."""

        def __init__(self, codec):
            self.codec, self.flush_buffers = codec, codec.flush_buffers
            self.name = 'of no matter here'

        def decode(self, packet):
            return self.codec.decode(packet and packet.packet)

    video._packets = [Packet(packet) for packet in video._packets]
    video._codec = Codec(video._codec)
    np.testing.assert_array_equal(video.decode([17])[17], sequential(path)[17])
    assert len(outcome) == 2


def spoil(path, packet):
    """Zeroes the inside of one packet, by its number in the order of decoding."""
    with av.open(str(path)) as container:
        found = [one for one in container.demux(video=0) if one.size][packet]
        place, size = found.pos, found.size
    content = bytearray(path.read_bytes())
    content[place + 8:place + size] = bytes(size - 8)
    path.write_bytes(content)


# I B B B P B B B P: packets 0, 4, 1, 2, 3, 8, 5, 6, 7, ...; key frames 0, 16, 32.
@pytest.mark.parametrize('packet, lost', [
    # 20 is referred to by all up to the next key frame.
    (17, set(range(17, 32))),
    # No other refers to 30.
    (31, {30}),
])
def test_damaged_frames_and_what_may_depend_on_them_are_missing(tmp_path, packet, lost):
    path = encode(tmp_path / 'a.mp4', *FILES['fixed.mp4'])
    whole = sequential(path)
    spoil(path, packet)
    for asked in (range(48), range(0, 48, 3), range(15, 33), range(30, 48)):
        found = IndexedVideo(av.open(str(path))).decode(asked)
        assert found.keys() == set(asked) - lost
        for number, picture in found.items():
            np.testing.assert_array_equal(picture, whole[number])


def turned(picture, matrix):
    class Frame:
        side_data = {'DISPLAYMATRIX': np.array(matrix, np.int32)}

    return indexed_video.upright(np.array(picture)[..., None], Frame())[..., 0].tolist()


ONE, LAST = 1 << 16, 1 << 30


@pytest.mark.parametrize('a, b, c, d, expected', [
    (1, 0, 0, 1, [[1, 2], [3, 4], [5, 6]]),
    (-1, 0, 0, 1, [[2, 1], [4, 3], [6, 5]]),
    (1, 0, 0, -1, [[5, 6], [3, 4], [1, 2]]),
    (-1, 0, 0, -1, [[6, 5], [4, 3], [2, 1]]),
    # Columns become rows; the first row goes to the right: clockwise, as phones say it.
    (0, 1, -1, 0, [[5, 3, 1], [6, 4, 2]]),
    (0, -1, 1, 0, [[2, 4, 6], [1, 3, 5]]),
    (0, 1, 1, 0, [[1, 3, 5], [2, 4, 6]]),
])
def test_every_display_matrix_of_right_angles(a, b, c, d, expected):
    matrix = [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, LAST]
    assert turned([[1, 2], [3, 4], [5, 6]], matrix) == expected


def test_another_angle_is_an_error():
    with pytest.raises(ValueError, match='at a right angle'):
        turned([[1]], [ONE, ONE, 0, -ONE, ONE, 0, 0, 0, LAST])


@pytest.mark.parametrize('name', ['rot_90.mp4', 'rot_180.mp4'])
def test_turning_agrees_with_pyavs_own_angle(name):
    with av.open(str(ODD / name)) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation % 360 != 0
    expected = np.rot90(frame.to_ndarray(format='rgb24'), frame.rotation // 90)
    found = IndexedVideo(av.open(str(ODD / name))).decode([0])[0]
    np.testing.assert_array_equal(found, expected)


def test_no_video_stream_is_named(tmp_path):
    path = write_sound(tmp_path / 'sound.mp4')
    with pytest.raises(ValueError, match='must have a video stream, found none'):
        IndexedVideo(av.open(str(path)))
