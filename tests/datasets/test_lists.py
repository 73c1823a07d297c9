import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from amd_mm.datasets.files import PICTURES
from amd_mm.datasets.lists import ListForm, joiner, list_field, read_list, said_while

DATA = Path(__file__).parents[1] / 'data'
FRAMES = dict(kind=None, counts=('total_frames', ))


def read(tmp_path, text, **form):
    path = tmp_path / 'train.txt'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [tuple(line)[1:] for line in read_list(str(path), ListForm(**form))]


def test_spaces_belong_to_the_path(tmp_path):
    text = 'a b/c  d.mp4 3\n\n  x.mp4\t12 \n'
    assert read(tmp_path, text) == [('a b/c  d.mp4', (), (3, )), ('x.mp4', (), (12, ))]


def test_lists_without_labels(tmp_path):
    assert read(tmp_path, 'a b.mp4\nc 2.mp4\n') == [('a b.mp4', (), ()), ('c 2.mp4', (), ())]
    assert read(tmp_path, 'my dir 60\n', **FRAMES) == [('my dir', (60, ), ())]


def test_counts_come_before_labels(tmp_path):
    assert read(tmp_path, '78687 60 12', **FRAMES) == [('78687', (60, ), (12, ))]
    assert read(tmp_path, 'a b 5 60 12', kind=None, counts=('offset', 'total_frames')) == [
        ('a b', (5, 60), (12, ))]
    assert read(tmp_path, '7 60 1 2 3', **FRAMES, several=True) == [('7', (60, ), (1, 2, 3))]


def test_another_delimiter(tmp_path):
    text = 'a, b.mp4,4\nc d 5.mp4, 5\n'
    assert read(tmp_path, text, delimiter=',') == [
        ('a, b.mp4', (), (4, )), ('c d 5.mp4', (), (5, ))]


def test_a_list_of_pictures_is_read_as_one_of_videos(tmp_path):
    lines = read_list(str(DATA / 'lists/pictures.txt'), ListForm(PICTURES, labels='needed'))
    assert [tuple(line) for line in lines] == [
        (1, 'cat/a.png', (), (0, )), (3, 'cat/b.png', (), (0, )), (4, 'dog/c,1.png', (), (1, ))]


def test_commas_where_blanks_make_no_line(tmp_path):
    text = 'a b.mp4,3\nc,1.mp4, 4\nd,2.mp4 5\n"e,\\" 6.mp4",7\n'
    assert read(tmp_path, text) == [('a b.mp4', (), (3, )), ('c,1.mp4', (), (4, )),
                                    ('d,2.mp4', (), (5, )), ('e," 6.mp4', (), (7, ))]
    assert read(tmp_path, 'a,1 60\n', **FRAMES) == [('a,1', (60, ), ())]
    assert read(tmp_path, 'a,1,60,7\n', **FRAMES) == [('a,1', (60, ), (7, ))]


@pytest.mark.parametrize('path', [
    'two\nlines.mp4', 'caf\udce9.mp4', '\x1b[31mred.mp4', '\u202emp4.a', ' blanks .mp4 ', '"',
    '#1.mp4', 'a\tb.mp4', 'back\\slash\n', 'clip 3', '\x9b.mp4', '\U000e0001.mp4', 'x,12',
    'a "b".mp4'])
def test_any_name_goes_through_a_list(tmp_path, path):
    field = list_field(path)
    assert field.encode().splitlines() == [field.encode()]
    for line, labels in ((f'{field} 3', (3, )), (field, ())):
        assert read(tmp_path, f'{line}\n') == [(path, (), labels)]


def test_usual_names_stand_in_a_list_as_they_are(tmp_path):
    for path in ('a b/c  d.mp4', 'caf\xe9\u3000\u732b.mp4', 'back\\slash.mp4', 'c,1.png'):
        assert list_field(path) == path and read(tmp_path, f'{path} 1') == [(path, (), (1, ))]


def test_byte_order_mark_and_windows_line_ends_are_no_part_of_a_path(tmp_path):
    text = '\ufeffa.mp4 3\r\n\r\nb.mp4\t4\r\n'
    assert read(tmp_path, text) == [('a.mp4', (), (3, )), ('b.mp4', (), (4, ))]
    assert read(tmp_path, 'a.mp4\r\nb.mp4\r') == [('a.mp4', (), ()), ('b.mp4', (), ())]


@pytest.mark.parametrize('labels', ['none', 'optional', 'needed'])
@pytest.mark.parametrize('text', ['', '\n \n', '\ufeff'])
def test_empty_list_is_named(tmp_path, text, labels):
    with pytest.raises(ValueError, match='train.txt: a list must name at least one sample'):
        read(tmp_path, text, labels=labels)


def test_a_list_that_is_not_there_is_said_in_words(tmp_path):
    for path, words in ((tmp_path / 'no.txt', 'no.txt does not exist$'),
                        (tmp_path, ' is a folder, not a file$')):
        with pytest.raises(ValueError, match=words):
            list(read_list(str(path), ListForm()))


@pytest.mark.parametrize('form', [dict(), dict(labels='needed'), dict(labels='none')])
def test_a_comment_or_header_is_blamed_itself(tmp_path, form):
    with pytest.raises(ValueError, match=r'comment_first.txt:1: .*got "# path label"; .*comment'):
        list(read_list(str(DATA / 'lists/comment_first.txt'), ListForm(**form)))
    line = 'a.mp4' if form.get('labels') == 'none' else 'a.mp4 0'
    for header in ('path label', 'path,label', 'video'):
        with pytest.raises(ValueError, match=f'train.txt:1: .*got "{header}"; '):
            read(tmp_path, f'{header}\n{line}\n', **form)


@pytest.mark.parametrize('text,form,message', [
    ('a.mp4 1\nb.mp4\n', {}, r'train.txt:2: .*no label'),
    ('a.mp4\nb.mp4 1\n', {}, r'train.txt:2: .*the lines before have none'),
    ('a.mp4\n# more\nb.mp4\n', {}, r'train.txt:2: .*got "# more"; it is a comment'),
    ('a.mp4 cat', dict(labels='needed'), r'train.txt:1: .*no label'),
    ('a.mp4 1.5', dict(labels='needed'), r'train.txt:1: .*no label'),
    ('a.mp4\nb.mp4 1', dict(labels='none'), r'train.txt:2: .*got "b.mp4 1"; .*none is expected'),
    ('a.mp4,1', dict(labels='none'), r'train.txt:1: .*got "a.mp4,1"; .*none is expected'),
    ('a.mp4 1\nb.mp4 7', dict(num_classes=7), r'train.txt:2: a label must be in \[0, 7\), got 7'),
    ('a.mp4 -1', dict(num_classes=7), r'got -1'),
    ('a 60 1\nb\n', FRAMES, r'train.txt:2: .*too few fields'),
    ('a 60 1\nb 60\n', FRAMES, r'train.txt:2: .*no label'),
    ('a/b 60 1\n', {}, r'train.txt:1: .*a number more, "60".*RawframeDataset'),
    ('a.mp4 60 1\n', {}, r'train.txt:1: .*a number more, "60".*RawframeDataset'),
    ('"a.mp4" 60 1\n', {}, r'train.txt:1: .*too many fields'),
    ('"a\\q.mp4" 1\n', {}, r'train.txt:1: .*is no escape code'),
    (b'a.mp4 1\nb.mp4 2\ncaf\xe9.mp4 3\n', {},
     r'train.txt:3: must be UTF-8, got "caf\\xe9.mp4 3"; .*in quotes'),
    ('a.mp4 1\n'.encode('utf-16'), {}, 'train.txt:1: must be UTF-8, but is UTF-16'),
    ('a.mp4 1\n'.encode('utf-16-le'), {}, 'train.txt:1: .*a zero byte'),
    ('a.mp4 1\rb.mp4 2\r', {}, 'train.txt:1: .*a carriage return'),
])
def test_wrong_lines_are_named(tmp_path, text, form, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, **form)


def test_long_work_says_how_far_it_is(monkeypatch):
    said, clock = [], iter(range(0, 1000, 4))
    monkeypatch.setattr('amd_mm.datasets.lists.print_log', lambda text, *_: said.append(text))
    monkeypatch.setattr('amd_mm.datasets.lists.time.monotonic', lambda: next(clock))
    assert list(said_while('train data', 'samples', range(6000), 6000)) == list(range(6000))
    # It looks at the clock every 1024 samples: at 4, 8, 12 (and resets at 16), 20, 24 seconds.
    assert said == ['train data: 3072 of 6000 samples checked']


def test_paths_start_from_a_folder_of_any_storage(monkeypatch):
    for folder in ('', 'a', '/a/b/'):
        for path in ('c d.mp4', '/c/d.mp4'):
            assert joiner(folder)(path) == os.path.join(folder, path)
    elsewhere = SimpleNamespace(join_path='{}:{}'.format)
    monkeypatch.setattr('amd_mm.datasets.lists.get_file_backend', lambda *_, **__: elsewhere)
    assert joiner('bucket')('c.mp4') == 'bucket:c.mp4'


@pytest.mark.parametrize('odd, message', [
    ('c.mp4 7', r':4: a label must be in \[0, 7\), got 7'),
    ('c.mp4', ':4: .*no label'),
    ('# c.mp4 3 x', ':4: .*a comment or a header'),
    ('c.mp4 3 4', ':4: .*a number more'),
])
def test_a_wrong_line_among_many_ordinary_ones_is_found(tmp_path, odd, message):
    """These are read by a shorter way, which has to leave the others to the rules."""
    path = tmp_path / 'train.txt'
    path.write_text(f'a.mp4 0\nb.mp4 6\nc d.MP4\t 5 \n{odd}\ne.mp4 1\n')
    form = ListForm(num_classes=7)
    with pytest.raises(ValueError, match=message):
        list(read_list(str(path), form))
    path.write_text('a.mp4 0\nb.mp4 6\nc d.MP4\t 5 \n"e 3.mp4" 4\n\nf.mp4 06\n')
    assert [(line.number, line.path, line.labels) for line in read_list(str(path), form)] == [
        (1, 'a.mp4', (0, )), (2, 'b.mp4', (6, )), (3, 'c d.MP4', (5, )), (4, 'e 3.mp4', (4, )),
        (6, 'f.mp4', (6, ))]
