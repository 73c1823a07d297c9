"""Cached videos: the same frames as from the file, as many as there is room for."""
import numpy as np
import pytest

from amd_mm.datasets.transforms import CachedPyAVInit, PyAVDecode, PyAVInit
from tests.helpers.clips import write_video

FRAMES, SIZE = 6, (64, 48)
BYTES = FRAMES * 64 * 48 * 3


@pytest.fixture
def files(tmp_path):
    return [str(write_video(tmp_path / f'{name}.mp4', FRAMES, size=SIZE)) for name in 'abc']


def read(init, name, numbers=(4, 0, 4)):
    opened = init(dict(filename=name))
    return opened, PyAVDecode()(dict(opened, frame_inds=np.array(numbers)))['imgs']


def test_frames_equal_those_of_the_file_again_and_again(files):
    init = CachedPyAVInit(memory_gib=1)
    for _ in range(2):
        for name in files:
            plain, wanted = read(PyAVInit(), name)
            cached, found = read(init, name)
            np.testing.assert_array_equal(found, wanted)
            assert (cached['total_frames'], cached['avg_fps']) == (
                plain['total_frames'], plain['avg_fps'])
            # A transform that works in place must not reach what is kept.
            for frame in found:
                frame[:] = 0


def test_nothing_is_read_twice_and_no_more_is_kept_than_there_is_room(files, monkeypatch):
    read_files = []
    transform = PyAVInit.transform
    monkeypatch.setattr(PyAVInit, 'transform', lambda self, results: (
        read_files.append(results['filename']), transform(self, results))[1])
    init = CachedPyAVInit(memory_gib=2 * BYTES / 2**30)
    for _ in range(3):
        for name in files:
            read(init, name)
    assert [read_files.count(name) for name in files] == [1, 1, 3]


def test_a_missing_frame_is_an_error_as_from_the_file(files):
    with pytest.raises(ValueError, match='frame 6'):
        read(CachedPyAVInit(memory_gib=1), files[0], (FRAMES, ))
