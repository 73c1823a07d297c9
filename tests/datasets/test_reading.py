"""Files are read from any storage; those that fail for a moment are read again."""
import errno
import os
import pickle
import tarfile
import urllib.error

import pytest

from amd_mm.datasets import reading
from amd_mm.datasets.files import FileError
from amd_mm.datasets.reading import read_bytes


def test_errors_of_files_are_words_and_travel(tmp_path):
    with pytest.raises(FileError, match=r'none\\n does not exist$') as caught:
        read_bytes(str(tmp_path / 'none\n'))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.reason) == (str(caught.value), 'does not exist')
    with pytest.raises(FileError, match='is a folder, not a file'):
        read_bytes(str(tmp_path))
    (tmp_path / 'a').write_bytes(b'12')
    assert read_bytes(str(tmp_path / 'a')) == b'12'


class Flaky:
    """A storage that fails so many times, and a clock that does not wait."""

    def __init__(self, error, failures, monkeypatch):
        self.error, self.left, self.pauses = error, failures, []
        monkeypatch.setattr(reading, 'get', self.get)
        monkeypatch.setattr(reading.time, 'sleep', self.pauses.append)

    def get(self, path, backend_args):
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return b'content'


PASSING = [
    OSError(errno.EIO, 'I/O'), OSError(errno.ESTALE, 'stale'), OSError(errno.EREMOTEIO, 'client'),
    ConnectionResetError('reset'), TimeoutError('late'),
    urllib.error.HTTPError('http://a', 503, 'busy', None, None),
    urllib.error.HTTPError('http://a', 429, 'too many', None, None)]


@pytest.mark.parametrize('error', PASSING, ids=str)
def test_what_fails_for_a_moment_is_read_again(error, monkeypatch):
    storage = Flaky(error, 3, monkeypatch)
    assert read_bytes('a') == b'content'
    assert storage.pauses == [.1, .5, 2.5]


def test_what_fails_on_is_bad_and_says_how_often(monkeypatch):
    storage = Flaky(OSError(errno.ESTALE, 'stale'), 9, monkeypatch)
    with pytest.raises(FileError, match=r'^a is gone from its server \(tried 4 times\)$'):
        read_bytes('a')
    assert storage.pauses == [.1, .5, 2.5]


@pytest.mark.parametrize('error', [
    FileNotFoundError(errno.ENOENT, 'x'), PermissionError(errno.EACCES, 'x'),
    urllib.error.HTTPError('http://a', 404, 'no', None, None)], ids=str)
def test_what_stays_as_it_is_is_read_once(error, monkeypatch):
    storage = Flaky(error, 9, monkeypatch)
    with pytest.raises(FileError):
        read_bytes('a')
    assert storage.pauses == []


def test_a_stale_shard_is_opened_anew(tmp_path, monkeypatch):
    (tmp_path / 'a').write_bytes(b'123')
    with tarfile.open(tmp_path / 'a.tar', 'w', format=tarfile.USTAR_FORMAT) as tar:
        tar.add(tmp_path / 'a', 'a')
    monkeypatch.setattr(reading.time, 'sleep', lambda pause: None)
    opened = []

    def pread(descriptor, size, start, real=os.pread):
        opened.append(descriptor)
        if len(opened) == 1:
            raise OSError(errno.ESTALE, 'stale')
        return real(descriptor, size, start)

    monkeypatch.setattr(os, 'pread', pread)
    assert read_bytes(f'{tmp_path}/a.tar#512+3') == b'123'
    assert len(opened) == 2
