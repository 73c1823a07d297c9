"""Pieces of a file are the file, wherever it is kept."""
import errno
import os
import pickle

import pytest

from amd_mm.datasets import reading, text_files
from amd_mm.datasets.text_files import TextFile, decoded, read_text

CONTENT = b'one\n\nthree, which is longer\nfour'


@pytest.fixture(params=[0, 1 << 20], ids=['long', 'short'])
def path(tmp_path, monkeypatch, request):
    monkeypatch.setattr(text_files, '_PIECE', 6)
    monkeypatch.setattr(text_files, '_LONG', request.param)
    (tmp_path / 'a.txt').write_bytes(CONTENT)
    return str(tmp_path / 'a.txt')


def test_pieces_are_whole_lines_with_their_places(path):
    pieces = list(TextFile(path).pieces())
    assert [tuple(piece) for piece in pieces] == [
        (0, 1, b'one\n\nthree, which is longer\n'), (28, 4, b'four')]
    assert pieces == list(pickle.loads(pickle.dumps(TextFile(path))).pieces())
    assert [TextFile(path).read(*place) for place in ((0, 4), (30, 9))] == [b'one\n', b'ur']


def test_a_long_file_outlives_its_name_and_a_stale_handle(path, monkeypatch):
    file = TextFile(path)
    assert file.read(0, 3) == b'one'
    monkeypatch.chdir('/')
    os.rename(path, f'{path}.old')
    assert file.read(5, 5) == b'three'
    os.rename(f'{path}.old', path)
    monkeypatch.setattr(reading.time, 'sleep', lambda pause: None)
    calls = []

    def pread(descriptor, size, start, real=os.pread):
        calls.append(descriptor)
        if len(calls) == 1:
            raise OSError(errno.ESTALE, 'stale')
        return real(descriptor, size, start)

    monkeypatch.setattr(os, 'pread', pread)
    assert file.read(28, 4) == b'four'
    assert len(calls) == (2 if text_files._LONG == 0 else 0)


def test_what_can_be_read_once_is_kept(monkeypatch):
    monkeypatch.setattr(text_files, '_LONG', 0)
    ours, theirs = os.pipe()
    os.write(theirs, CONTENT)
    os.close(theirs)
    file = TextFile(f'/dev/fd/{ours}')
    os.close(ours)
    assert file.read(0, 3) == b'one' == file.read(0, 3)


@pytest.mark.parametrize('content, words', [
    (b'a\nb\xff\nc', r'a.txt:11: must be UTF-8, got "b\\xff"'),
    (b'a\n\0', 'a.txt:11: .*a zero byte'), (b'\ra', 'a.txt:10: .*a carriage return')])
def test_a_piece_names_the_line_of_its_file(content, words):
    with pytest.raises(ValueError, match=words):
        decoded('a.txt', 100, 10, content)


def test_a_byte_order_mark_is_one_at_the_beginning_alone(tmp_path):
    (tmp_path / 'a').write_bytes(b'\xef\xbb\xbfa\n')
    assert read_text(str(tmp_path / 'a')) == 'a\n'
    assert decoded('a', 5, 2, b'\xef\xbb\xbfa\n') == '\ufeffa\n'
