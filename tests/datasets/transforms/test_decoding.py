import av
import cv2
import numpy as np
import pytest
from clips import REAL, frame_number, write_broken_videos, write_video
from mmengine.registry import TRANSFORMS

import amd_mm  # noqa: F401 (its fixes, before a host is imported)
from amd_mm.datasets.transforms import PyAVInit, RawFrameDecode
from amd_mm.datasets.transforms.decoding import _container_format

DECODERS = {
    'decord': ('mmaction.DecordInit', 'mmaction.DecordDecode'),
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
    found = _container_format(path.read_bytes())
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


def test_messages_of_the_mended_decoders(tmp_path):
    paths = write_broken_videos(tmp_path)
    with pytest.raises(ValueError, match='must have a video stream'):
        decode(paths['no_video_stream'], 'pyav', [0])
    with pytest.raises(OSError, match='must have a readable video stream'):
        decode(paths['no_index'], 'opencv', [0])
    with pytest.raises(ValueError, match='the 60 frames it promises, but frame 40'):
        decode(paths['truncated'], 'opencv', [0, 40])
    # Not on the truncated file: FFmpeg refuses the last packet there, at some times and not others.
    with pytest.raises(ValueError, match='promises, but frame 75'):
        decode(write_video(tmp_path / 'good.mp4', 60), 'pyav', [0, 75])


def test_opener_hands_backend_args_to_the_host():
    built = TRANSFORMS.build(dict(
        type='amd_mm.OpenCVInit', io_backend='petrel', backend_args=dict(enable_mc=False)))
    assert (built.io_backend, built.kwargs) == ('petrel', dict(enable_mc=False))


def test_storage_backend_reads_the_file(tmp_path, monkeypatch):
    content, asked = write_video(tmp_path / 'a.mp4', 5).read_bytes(), []

    def get(path, backend_args):
        asked.append((path, backend_args))
        return content

    monkeypatch.setattr('amd_mm.datasets.transforms.decoding.get', get)
    opened = PyAVInit(backend_args=dict(backend='petrel'))(dict(filename='s3://bucket/a.mp4'))
    assert opened['total_frames'] == 5 and opened['avg_fps'] == 10
    assert asked == [('s3://bucket/a.mp4', dict(backend='petrel'))]


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
    with pytest.raises(FileNotFoundError, match='img_00009.png'):
        RawFrameDecode()(dict(results, frame_inds=np.array([9])))
