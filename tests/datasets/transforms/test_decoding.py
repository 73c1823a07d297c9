import shutil
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest
from clips import ODD, REAL, frame_number, write_broken_videos, write_video
from mmengine.registry import TRANSFORMS

import amd_mm  # noqa: F401 (its fixes, before a host is imported)
from amd_mm.datasets.files import FileError
from amd_mm.datasets.transforms import PyAVInit, RawFrameDecode
from amd_mm.datasets.transforms.containers import container_format
from amd_mm.datasets.transforms.indexed_video import IndexedVideo

DECODERS = {
    'decord': ('amd_mm.DecordInit', 'amd_mm.DecordDecode'),
    'pyav': ('amd_mm.PyAVInit', 'amd_mm.PyAVDecode'),
    'opencv': ('amd_mm.OpenCVInit', 'amd_mm.OpenCVDecode'),
}


def decode(path, decoder, frame_ids):
    opener, reader = (TRANSFORMS.build(dict(type=name)) for name in DECODERS[decoder])
    results = opener(dict(filename=str(path)))
    results['frame_inds'] = np.array(frame_ids)
    return reader(results)


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('name,shape,length', [
    ('bikes.mp4', (272, 640), 250), ('carphone_distorted.mp4', (144, 176), 120)])
def test_frames_are_those_of_sequential_decoding(decoder, name, shape, length):
    with av.open(str(REAL / name)) as container:
        expected = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    frame_ids = np.random.RandomState(0).permutation(length)[:6].tolist()
    results = decode(REAL / name, decoder, frame_ids)
    assert results['total_frames'] == length and results['img_shape'] == shape
    for number, image in zip(frame_ids, results['imgs'], strict=True):
        np.testing.assert_array_equal(image, expected[number])


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_any_order_and_repeated_frames(tmp_path, decoder, suffix):
    path = write_video(tmp_path / f'with a space{suffix}', 60)
    results = decode(path, decoder, [31, 59, 0, 31, 31])
    assert results['total_frames'] == 60  # Matroska does not say how many.
    assert [frame_number(image) for image in results['imgs']] == [31, 59, 0, 31, 31]
    results['imgs'][0][:] = 0
    assert frame_number(results['imgs'][3]) == 31


@pytest.mark.parametrize('suffix,known', [
    ('.mp4', True), ('.mov', True), ('.mkv', True), ('.avi', False), ('.ts', False)])
def test_the_container_is_known_by_its_content(tmp_path, suffix, known):
    path = write_video(tmp_path / f'a{suffix}', 5).rename(tmp_path / 'no name')
    assert decode(path, 'pyav', [4])['total_frames'] == 5
    found = container_format(path.read_bytes())
    with av.open(str(path)) as container:
        assert found in container.format.name.split(',') if known else found is None


@pytest.mark.parametrize('decoder', DECODERS)
def test_one_frame(tmp_path, decoder):
    results = decode(write_video(tmp_path / 'one.mp4', 1), decoder, [0] * 16)
    assert results['total_frames'] == 1 and len(results['imgs']) == 16


@pytest.mark.parametrize('decoder', DECODERS)
def test_broken_videos_are_errors_not_other_frames(tmp_path, decoder):
    for path in write_broken_videos(tmp_path).values():
        with pytest.raises(Exception):  # noqa: B017 (each decoder has its own)
            decode(path, decoder, [0, 20, 40, 59])


@pytest.mark.parametrize('decoder', DECODERS)
def test_messages(tmp_path, decoder):
    paths = write_broken_videos(tmp_path)
    for name, message in dict(
            no_video_stream='must have a video stream, found none', empty='the file is empty',
            no_video_file='FFmpeg finds no such thing',
            no_index='FFmpeg finds no such thing').items():
        with pytest.raises(ValueError, match=message):
            decode(paths[name], decoder, [0])
    with pytest.raises(ValueError, match=r'hold its 60 frames whole, but frame 75 \(from 0\)'):
        decode(write_video(tmp_path / 'good.mp4', 60), decoder, [0, 75])


def number(picture):
    """Of a frame of the files in ODD: eight blocks above, bright for 1, the highest bit first."""
    height, width = picture.shape[:2]
    edges = [width * block // 8 for block in range(9)]
    bits = [picture[2:height // 4 - 2, left + 2:right - 2].mean() > 127
            for left, right in pairwise(edges)]
    return sum(bit << 7 - place for place, bit in enumerate(bits))


# What FFmpeg's command shows: frames, height and width, numbers of the frames, mean red, green and
# blue of the first.
SHOWN = {
    'plain.mp4': (40, (64, 96), range(40), (80.8, 76.6, 75.6)),
    'rot_90.mp4': (40, (96, 64), None, (80.8, 76.6, 75.6)),
    'rot_180.mp4': (40, (64, 96), None, (80.8, 76.6, 75.6)),
    # A cover and a preview are the first streams.
    'cover_first.mkv': (40, (64, 96), range(40), (80.8, 76.6, 75.6)),
    'preview_first.mp4': (40, (64, 96), range(40), (80.8, 76.6, 75.6)),
    'mbaff.mp4': (40, (64, 96), range(40), (81.1, 76.6, 75.6)),
    'hdr10bit.mov': (40, (64, 96), range(40), (80.4, 76.3, 75.2)),
    'bt709_full.mp4': (40, (64, 96), range(40), (81.5, 77.2, 76.1)),
    'av1.mp4': (40, (64, 96), range(40), (81., 76.6, 76.)),
    'vfr.mp4': (40, (64, 96), range(40), (81., 76.6, 75.8)),
    'trimmed.mp4': (17, (64, 96), range(20, 37), (94.6, 92.1, 91.4)),
    'hevc_cut.mp4': (25, (64, 96), range(15, 40), (108.6, 104.9, 103.6)),
    'cut.ts': (24, (64, 96), range(24), (81., 76.6, 75.8)),
    'remux.ts': (40, (64, 96), range(40), (80.8, 76.6, 75.5)),
    'remux.avi': (40, (64, 96), range(40), (80.8, 76.6, 75.5)),
    # Turned on its side in the middle; scaled to the first frame's size.
    'turned_mid.webm': (40, (64, 96), [*range(20), *range(100, 120)], (80.9, 76.6, 75.8)),
    'cut.avi': (22, (64, 96), range(22), (81.7, 77.4, 76.2)),
    'live.webm': (40, (64, 96), range(40), (81.7, 77.7, 76.4)),
}


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('name', SHOWN)
def test_odd_videos_are_what_ffmpeg_shows(name, decoder):
    length, shape, numbers, colour = SHOWN[name]
    opened = TRANSFORMS.build(dict(type=DECODERS[decoder][0]))(dict(filename=str(ODD / name)))
    assert opened['total_frames'] == length
    assert opened['avg_fps'] == pytest.approx(13.51 if name == 'vfr.mp4' else 25, abs=.01)
    whole = decode(ODD / name, decoder, range(length))['imgs']
    assert {picture.shape for picture in whole} == {(*shape, 3)}
    np.testing.assert_allclose(whole[0].mean((0, 1)), colour, atol=.35)
    if numbers is not None and name != 'turned_mid.webm':
        assert [number(picture) for picture in whole] == list(numbers)
    # From any start, what decoding in order shows.
    for start in range(0, length - 8, 7):
        clip = decode(ODD / name, decoder, range(start, start + 8, 3))['imgs']
        np.testing.assert_array_equal(clip, whole[start:start + 8:3])


@pytest.mark.parametrize('decoder', DECODERS)
def test_damage_is_an_error_and_what_it_does_not_touch_is_read(decoder):
    # 12 and 13 of the packets are zero; the next key frame is 24.
    plain, zeroed = ODD / 'plain.mp4', ODD / 'zeroed.mp4'
    for frames in (range(10), range(24, 40)):
        found = decode(zeroed, decoder, frames)['imgs']
        assert [number(picture) for picture in found] == list(frames)
        expected = np.array(decode(plain, 'pyav', frames)['imgs'], int)
        assert np.abs(found - expected).mean() < 2
    for frame in range(12, 24):
        with pytest.raises(ValueError, match=f'frame {frame} .from 0. is damaged'):
            decode(zeroed, decoder, [frame, 24])
    cut = decode(ODD / 'cut_tail.mp4', decoder, range(15))['imgs']
    assert [number(picture) for picture in cut] == list(range(15))
    with pytest.raises(ValueError, match='frame 18 .from 0. is damaged or not there'):
        decode(ODD / 'cut_tail.mp4', decoder, [0, 18])


@pytest.mark.parametrize(('decoder', 'name', 'reason'), [
    ('decord', 'cut.ts', 'its container is not MP4, QuickTime or Matroska'),
    ('opencv', 'mbaff.mp4', 'it is interlaced'),
    ('opencv', 'vfr.mp4', 'frames are shown at uneven times'),
    ('decord', 'trimmed.mp4', 'an edit list cuts frames away'),
    ('opencv', 'hdr10bit.mov', 'its pixels are yuv420p10le'),
    ('decord', 'zeroed.mp4', 'it is cut off or damaged'),
    ('decord', 'preview_first.mp4', 'it has several video streams'),
])
def test_where_pyav_reads_in_anothers_place_one_line_says_so(
        decoder, name, reason, monkeypatch):
    lines = []
    monkeypatch.setattr('amd_mm.datasets.transforms.decoding._told', set())
    monkeypatch.setattr('amd_mm.datasets.transforms.decoding.print_log',
                        lambda line, *_: lines.append(line))
    for _ in range(2):
        decode(ODD / name, decoder, [0])
    decode(ODD / 'plain.mp4', decoder, [0])
    assert len(lines) == 1 and reason in lines[0] and name in lines[0]


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('content', ['sdp', 'concat', 'hls', 'picture'])
def test_nothing_but_the_file_itself_is_opened(tmp_path, decoder, content, monkeypatch):
    path = tmp_path / 'a.mp4'
    if content == 'hls':
        path.write_text(f'#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{ODD / "plain.mp4"}\n'
                        '#EXT-X-ENDLIST\n')
    elif content == 'picture':
        cv2.imwrite(str(tmp_path / 'a.jpg'), np.zeros((64, 64, 3), np.uint8))
        (tmp_path / 'a.jpg').rename(path)
    else:
        shutil.copy(ODD / f'{content}.mp4', path)
        shutil.copy(ODD / 'plain.mp4', tmp_path)
    with pytest.raises(ValueError, match='must be a container that holds its own frames'):
        decode(path, decoder, [0])


def test_opener_hands_backend_args_to_the_host():
    built = TRANSFORMS.build(dict(
        type='amd_mm.OpenCVInit', io_backend='petrel', backend_args=dict(enable_mc=False)))
    assert (built.io_backend, built.kwargs) == ('petrel', dict(enable_mc=False))


def test_storage_backend_reads_the_file(tmp_path, monkeypatch):
    content, asked = write_video(tmp_path / 'a.mp4', 5).read_bytes(), []

    def get(path, backend_args):
        asked.append((path, backend_args))
        return content

    monkeypatch.setattr('amd_mm.datasets.reading.get', get)
    opened = PyAVInit(backend_args=dict(backend='petrel'))(dict(filename='s3://bucket/a.mp4'))
    assert opened['total_frames'] == 5 and opened['avg_fps'] == 10
    assert asked == [('s3://bucket/a.mp4', dict(backend='petrel'))]


@pytest.mark.parametrize('error', [
    AttributeError("'NoneType' object has no attribute 'x'"),
    UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'invalid start byte'), OSError(5, 'x'),
    KeyError('codec')])
@pytest.mark.parametrize('decoder', DECODERS)
def test_what_a_reader_raises_names_the_file(tmp_path, monkeypatch, decoder, error):
    def fail(*args, **kwargs):
        raise error

    path = write_video(tmp_path / 'a.mp4', 5)
    with monkeypatch.context() as patch, pytest.raises(FileError) as caught:
        patch.setattr('amd_mm.datasets.transforms.decoding.open_container', fail)
        decode(path, decoder, [0])
    assert str(caught.value).startswith(f'{path} ') and caught.value.__cause__ is error
    monkeypatch.setattr(IndexedVideo, 'decode', fail)
    with pytest.raises(FileError) as caught:
        decode(path, 'pyav', [0])
    assert caught.value.path == str(path)


@pytest.mark.parametrize('error', [MemoryError(), ImportError('av')])
def test_what_no_file_causes_stays_what_it_is(tmp_path, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr('amd_mm.datasets.transforms.decoding.open_container', fail)
    with pytest.raises(type(error)):
        decode(write_video(tmp_path / 'a.mp4', 5), 'pyav', [0])


def frames_folder(folder):
    folder.mkdir()
    for number in range(1, 4):
        picture = np.full((20, 30, 3), (0, 0, 40 * number), np.uint8)
        cv2.imwrite(str(folder / f'img_{number:05}.png'), picture)
    cv2.imwrite(str(folder / 'img_00004.png'), np.full((20, 30), 7, np.uint8))
    return dict(frame_dir=str(folder), filename_tmpl='img_{:05}.png', total_frames=4)


def test_raw_frames_are_rgb_and_one_channel_becomes_three(tmp_path):
    results = frames_folder(tmp_path / 'a folder')
    results['frame_inds'] = np.array([3, 1, 4, 4])
    images = RawFrameDecode()(results)['imgs']
    assert [image[0, 0].tolist() for image in images] == [
        [120, 0, 0], [40, 0, 0], [7, 7, 7], [7, 7, 7]]
    assert images[2] is not images[3]


def test_raw_frame_that_cannot_be_read_is_named(tmp_path):
    results = frames_folder(tmp_path / 'frames')
    (tmp_path / 'frames' / 'img_00002.png').write_bytes(b'no picture')
    with pytest.raises(OSError, match='img_00002.png is no picture'):
        RawFrameDecode()(dict(results, frame_inds=np.array([1, 2])))
    (tmp_path / 'frames' / 'img_00002.png').write_bytes(b'')
    for backend in ('cv2', 'pillow'):
        with pytest.raises(FileError, match='img_00002.png is (empty|no picture that pillow)'):
            RawFrameDecode(backend)(dict(results, frame_inds=np.array([1, 2])))
    with pytest.raises(FileNotFoundError, match='img_00009.png'):
        RawFrameDecode()(dict(results, frame_inds=np.array([9])))
