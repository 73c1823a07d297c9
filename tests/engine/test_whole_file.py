import errno

import pytest
import torch

from amd_mm.engine import whole_file
from amd_mm.engine.whole_file import (
    Copies,
    bytes_in,
    kinds_of,
    remove_parts,
    shown_bytes,
    write_whole,
)


def test_what_is_there_stays_until_the_new_file_is_whole(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')

    def write(file):
        file.write(b'new')
        assert path.read_text() == 'old'

    write_whole(path, write)
    assert path.read_text() == 'new' and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('code, tries', [
    (errno.EIO, 3), (errno.ESTALE, 3), (errno.ENOSPC, 1), (errno.EROFS, 1)])
def test_only_what_may_pass_is_tried_again(tmp_path, monkeypatch, code, tries):
    monkeypatch.setattr(whole_file, 'PAUSES', (0., 0.))
    tried = []

    def write(file):
        tried.append(file)
        raise OSError(code, 'no')

    with pytest.raises(OSError, match='no'):
        write_whole(tmp_path / 'a.txt', write)
    assert len(tried) == tries and not list(tmp_path.iterdir())


def test_a_folder_that_went_away_is_not_made_again(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / 'gone' / 'a.txt', lambda file: None)
    assert not (tmp_path / 'gone').exists()


def test_parts_are_removed_and_nothing_else(tmp_path):
    for name in ('.a.pth.part', 'a.pth', '.hidden'):
        (tmp_path / name).touch()
    remove_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.hidden', 'a.pth']


def test_copies_do_not_change_with_their_source_and_keep_their_memory():
    source = dict(a=[torch.zeros(2, dtype=torch.float64)], b='text', c=torch.ones(3).half(),
                  d=torch.ones(3).half())
    copies = Copies()
    first, second = copies.of(source), copies.of(source)
    places = [copy[name].data_ptr() for copy in (first, second) for name in 'cd']
    assert len(set(places)) == 4
    source['a'][0] += 1
    source['a'].append(0)
    for copy in (first, second):
        assert copy['a'][0].tolist() == [0, 0] and len(copy['a']) == 1 and copy['b'] == 'text'
        assert bytes_in(copy) == 2 * 8 + 2 * 3 * 2
    copies.free()
    third = copies.of(dict(other=source['d'] + 1, a=source['a'][0]))
    assert third['other'].data_ptr() in places and third['other'].tolist() == [2, 2, 2]
    assert third['a'].tolist() == [1, 1]


def test_the_first_copies_have_memory_that_was_got_before():
    source = dict(a=torch.ones(3), b=[torch.ones(3), torch.ones(3, dtype=torch.int32), 'text'])
    copies = Copies()
    copies.prepare(kinds_of(source))
    prepared = {one.data_ptr() for some in copies._free.values() for one in some}
    copy = copies.of(source)
    assert {copy['a'].data_ptr(), copy['b'][0].data_ptr(), copy['b'][1].data_ptr()} == prepared
    assert copy['b'][1].tolist() == [1, 1, 1] and not any(copies._free.values())


def test_bytes_are_shown_in_megabytes():
    assert shown_bytes(1_234_500_000) == '1,234.5 MB'
    assert shown_bytes(None) == 'an unknown amount'
