"""Any bytes as a list: samples, or an error with file and line; any name survives its list."""
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amd_mm.datasets import lists, text_files
from amd_mm.datasets.files import PICTURES, VIDEOS, escaped, printable, unescaped
from amd_mm.datasets.lists import ListForm, list_field, read_list

FORMS = [ListForm(), ListForm(labels='none'), ListForm(labels='needed', num_classes=3),
         ListForm(kind=None, counts=('total_frames', )), ListForm(kind=PICTURES, several=True),
         ListForm(delimiter=',')]
# Lines that look like something, and the bytes that editors and downloads leave.
FIELDS = st.sampled_from([
    'a.mp4', 'dir/b c.mkv', '12', '-1', '2', 'x.jpg', '"q.mp4"', '"', '#', ',', ' ', '\t', '\\',
    'path label', '.mp4 ', '.mp4\n', '.tar#0+9', ' 2\n', '\uff13', '\x1b[31m', '\0', '\r',
    '\udce9'])
LINES = st.lists(st.lists(FIELDS, max_size=6).map(''.join), max_size=6)
CONTENTS = st.one_of(
    st.binary(max_size=80),
    st.tuples(st.sampled_from([b'', b'\xef\xbb\xbf', b'\xff\xfe']), LINES,
              st.sampled_from(['\n', '\r\n', '\r'])).map(
        lambda parts: parts[0] + parts[2].join(parts[1]).encode(errors='surrogateescape')))


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('lists') / 'list.txt'


@given(content=CONTENTS, form=st.sampled_from(FORMS))
def test_a_list_is_read_or_refused_with_its_line(path, content, form):
    path.write_bytes(content)
    try:
        lines = list(read_list(str(path), form))
    except ValueError as error:
        assert re.match(rf'{re.escape(str(path))}(:\d+)?: ', str(error))
        assert str(error) == printable(str(error)) or '\\' in str(error)
        assert '\n' not in str(error)
        return
    assert lines
    for line in lines:
        assert line.path and len(line.counts) == len(form.counts)
        assert form.num_classes is None or all(
            0 <= label < form.num_classes for label in line.labels)


@given(content=CONTENTS, form=st.sampled_from(FORMS), size=st.sampled_from([1, 16, 4096]))
def test_a_list_in_pieces_is_read_as_one_line_after_the_other(path, content, form, size):
    """The shorter way of ordinary lines leads where the rules do."""
    path.write_bytes(content)

    def lines() -> list | str:
        try:
            return list(read_list(str(path), form))
        except ValueError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, '_PIECE', size)
        found = lines()
        patch.setattr(lists, 'ordinary_lines', lambda form, labelled: None)
        assert found == lines()


# Names that file systems take: any bytes but zero and the slash.
NAMES = st.binary(min_size=1, max_size=20).map(
    lambda name: name.replace(b'\0', b'n').replace(b'/', b's').decode(errors='surrogateescape'))


@given(name=NAMES, label=st.integers(0, 2))
def test_any_name_of_a_file_survives_its_list(path, name, label):
    name += '.mp4'
    path.write_bytes(f'{list_field(name)} {label}\n'.encode())
    line, = read_list(str(path), ListForm(kind=VIDEOS, labels='needed', num_classes=3))
    assert (line.path, line.labels) == (name, (label, ))


@given(name=NAMES)
def test_an_escaped_name_is_one_printable_line_and_comes_back(name):
    assert unescaped(escaped(name)) == name
    assert '\n' not in printable(name)
    printable(name).encode()
