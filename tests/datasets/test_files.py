import errno
import os

import pytest

from amd_mm.datasets.files import (
    PICTURES,
    VIDEOS,
    FileError,
    class_folders,
    escaped,
    printable,
    unescaped,
    walk,
)


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


class TestWalk:

    def test_all_below_sorted_whatever_the_case(self, tmp_path):
        make(tmp_path, 'b.MP4', 'a dir/z.webm', 'a dir/deep/x.AVI', 'a dir/x.jpg', 'dir.mp4/c.mkv')
        assert walk(tmp_path, VIDEOS).files == [
            'a dir/deep/x.AVI', 'a dir/z.webm', 'b.MP4', 'dir.mp4/c.mkv']
        assert walk(str(tmp_path), PICTURES).files == ['a dir/x.jpg']

    def test_one_line_says_what_was_left_out_and_why(self, tmp_path):
        make(tmp_path, '1.mp4', '._1.mp4', '.hid/2.mp4', 'notes.txt', 'more.txt', 'README', 'x.jpg')
        found = walk(tmp_path, VIDEOS)
        assert found.files == ['1.mp4']
        assert str(found) == (f'{tmp_path}: 1 videos; left out: 2 hidden (._1.mp4, .hid), '
                              '4 of other kinds (2 .txt, 1 .jpg, 1 no suffix)')
        assert str(walk(tmp_path / '.hid', VIDEOS)) == f'{tmp_path}/.hid: 1 videos'

    def test_links_are_followed_and_loops_named(self, tmp_path):
        make(tmp_path, 'real/deep/1.mp4', 'elsewhere/2.mp4')
        (tmp_path / 'real/linked').symlink_to(tmp_path / 'elsewhere')
        (tmp_path / 'real/3.mp4').symlink_to(tmp_path / 'elsewhere/2.mp4')
        (tmp_path / 'real/deep/back').symlink_to(tmp_path / 'real')
        (tmp_path / 'real/itself.mp4').symlink_to('itself.mp4')
        (tmp_path / 'real/gone.mp4').symlink_to('nowhere.mp4')
        found = walk(tmp_path / 'real', VIDEOS)
        assert found.files == ['3.mp4', 'deep/1.mp4', 'linked/2.mp4']
        assert str(found) == (
            f'{tmp_path}/real: 3 videos; left out: 2 link loops (deep/back, itself.mp4), '
            '1 broken links (gone.mp4)')

    def test_a_pipe_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / 'pipe.mp4')
        assert walk(tmp_path, VIDEOS).left_out == {'no plain files': ['pipe.mp4']}

    def test_a_closed_folder_is_named(self, tmp_path, monkeypatch):
        make(tmp_path, 'a/closed/1.mp4', 'b/2.mp4')
        scandir = os.scandir

        def closed(path):  # root, who may run this test, can read every folder
            if str(path).rstrip('/').endswith('closed'):
                raise PermissionError(errno.EACCES, 'Permission denied', path)
            return scandir(path)

        monkeypatch.setattr(os, 'scandir', closed)
        found = walk(tmp_path, VIDEOS)
        assert found.files == ['b/2.mp4']
        assert found.left_out == {'folders that may not be read': ['a/closed']}
        with pytest.raises(FileError, match='closed may not be read by this user'):
            walk(tmp_path / 'a/closed', VIDEOS)

    def test_what_is_no_folder(self, tmp_path):
        make(tmp_path, 'a.mp4')
        for name, words in (('a.mp4', 'is a file, not a folder'), ('none', 'does not exist')):
            with pytest.raises(FileError, match=f'{name} {words}$'):
                walk(tmp_path / name, VIDEOS)

    def test_names_that_are_no_utf8(self, tmp_path):
        make(tmp_path, os.fsdecode(b'caf\xe9.mp4'), '.\x1b[31m')
        found = walk(tmp_path, VIDEOS)
        assert found.files == ['caf\udce9.mp4']
        assert r'1 hidden (.\x1b[31m)' in str(found)

    @pytest.mark.parametrize('suffix', [
        '.mts', '.m2ts', '.vob', '.ogv', '.mp4', '.mkv', '.avi', '.mov', '.webm', '.ts', '.flv'])
    def test_suffixes_of_videos(self, suffix):
        assert VIDEOS.has(f'a{suffix}') and VIDEOS.has(f'a{suffix.upper()}')

    @pytest.mark.parametrize('suffix', [
        '.webp', '.gif', '.tiff', '.avif', '.jfif', '.jpg', '.jpeg', '.png', '.bmp', '.tif'])
    def test_suffixes_of_pictures(self, suffix):
        assert PICTURES.has(f'a{suffix}') and not VIDEOS.has(f'a{suffix}')


class TestClassFolders:

    def test_hidden_ones_shift_no_label(self, tmp_path):
        make(tmp_path, 'b/2.jpg', 'a/deep/1.jpg', '.hid/0.jpg', 'a/._1.jpg', 'lost.jpg', 'x.txt')
        (tmp_path / 'loop').symlink_to(tmp_path)
        found = class_folders(tmp_path, PICTURES)
        assert found.classes == ('a', 'b')
        assert found.files == [('a/deep/1.jpg', 0), ('b/2.jpg', 1)]
        assert '1 outside a class folder (lost.jpg)' in str(found.found)
        assert '1 link loops (loop)' in str(found.found)

    def test_errors_name_the_folder(self, tmp_path):
        with pytest.raises(ValueError, match=f'{tmp_path}: must hold one folder a class'):
            class_folders(tmp_path, PICTURES)
        make(tmp_path, 'b/2.jpg', 'a/1.mp4')
        with pytest.raises(ValueError, match='every class folder must hold .* but 1 hold none: a;'):
            class_folders(tmp_path, PICTURES)
        with pytest.raises(ValueError, match='must be a folder .*nowhere does not exist; check'):
            class_folders(tmp_path / 'nowhere', PICTURES)


@pytest.mark.parametrize('name,shown', [
    ('a b/caf\xe9\u3000.mp4', 'a b/caf\xe9\u3000.mp4'), ('back\\slash', 'back\\slash'),
    ('caf\udce9', r'caf\xe9'), ('two\nlines\\', r'two\nlines\\'),
    ('\x1b[2J\t\x7f', r'\x1b[2J\t\x7f'),
    ('\x9b\u202e\U000e0001', r'\u009b\u202e\U000e0001')])
def test_names_are_printed_on_one_line(name, shown):
    assert printable(name) == shown
    shown.encode()
    assert unescaped(escaped(name)) == name
