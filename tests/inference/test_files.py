import hashlib

import pytest

from amd_mm.inference import digest, find_files, reading


def test_files_folders_and_lists_in_the_order_they_are_named(tmp_path):
    for name in ('a/z.mp4', 'a/deep/B.MKV', 'a/notes.md', 'a/picture.png', 'list/x y.mp4'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / 'list' / 'some.txt').write_text('x y.mp4 3\nnowhere.mp4 0\n')
    (tmp_path / 'bare.csv').write_text('a/z.mp4\n')
    named = [tmp_path / 'no such.mp4', tmp_path / 'a', tmp_path / 'list/some.txt']
    assert find_files(named, is_video=True) == [
        tmp_path / 'no such.mp4', tmp_path / 'a/deep/B.MKV', tmp_path / 'a/z.mp4',
        tmp_path / 'list/x y.mp4', tmp_path / 'list/nowhere.mp4']
    assert find_files([tmp_path / 'a'], is_video=False) == [tmp_path / 'a/picture.png']
    assert find_files([tmp_path / 'bare.csv'], True, '/data')[0].as_posix() == '/data/a/z.mp4'
    with pytest.raises(ValueError, match='list: 0 pictures; left out: 2 of other kinds .*a folder'
                                         ' must hold at least one file ending in'):
        find_files([tmp_path / 'list'], is_video=False)


def test_the_digest_is_that_of_the_content(tmp_path):
    (tmp_path / 'one').write_bytes(b'1' * 3_000_000)
    (tmp_path / 'two').write_bytes(b'2')
    assert digest(tmp_path / 'one') == hashlib.sha256(b'1' * 3_000_000).hexdigest()
    assert digest(tmp_path) == hashlib.sha256(b'1' * 3_000_000 + b'2').hexdigest()


def test_a_decoders_error_names_the_input_and_a_mistake_stays_what_it_is():
    with pytest.raises(ValueError, match='clip.mp4: must be a video, but cannot be read: corrupt$'):
        with reading('clip.mp4', 'a video'):
            raise RuntimeError('corrupt\nand many lines')
    with pytest.raises(KeyError), reading('clip.mp4', 'a video'):
        raise KeyError('imgs')
