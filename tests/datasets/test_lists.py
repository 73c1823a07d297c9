import os
from types import SimpleNamespace

import pytest

from amd_mm.datasets.lists import joiner, read_list, said_while


def read(tmp_path, text, num_counts=0, need_labels=False, many_labels=False, num_classes=None,
         delimiter=None):
    path = tmp_path / 'train.txt'
    path.write_text(text, encoding='utf-8')
    lines = read_list(
        str(path), 'path [label]', num_counts, need_labels, many_labels, num_classes, delimiter)
    return [line[1:] for line in lines]


def test_spaces_belong_to_the_path(tmp_path):
    text = 'a b/c  d.mp4 3\n\n  x.mp4\t12 \n'
    assert read(tmp_path, text) == [('a b/c  d.mp4', (), (3, )), ('x.mp4', (), (12, ))]


def test_lists_without_labels(tmp_path):
    assert read(tmp_path, 'a b.mp4\nc 2.mp4\n') == [('a b.mp4', (), ()), ('c 2.mp4', (), ())]
    assert read(tmp_path, 'my dir 60\n', num_counts=1) == [('my dir', (60, ), ())]


def test_counts_come_before_labels(tmp_path):
    assert read(tmp_path, '78687 60 12', num_counts=1) == [('78687', (60, ), (12, ))]
    assert read(tmp_path, 'a b 5 60 12', num_counts=2) == [('a b', (5, 60), (12, ))]
    assert read(tmp_path, '7 60 1 2 3', 1, many_labels=True) == [('7', (60, ), (1, 2, 3))]


def test_another_delimiter(tmp_path):
    text = 'a, b.mp4,4\nc d 5.mp4, 5\n'
    assert read(tmp_path, text, delimiter=',') == [
        ('a, b.mp4', (), (4, )), ('c d 5.mp4', (), (5, ))]


def test_byte_order_mark_is_no_part_of_the_path(tmp_path):
    text = '\ufeffa.mp4 3\nb.mp4 4\n'
    assert read(tmp_path, text) == [('a.mp4', (), (3, )), ('b.mp4', (), (4, ))]


@pytest.mark.parametrize('need_labels', [False, True])
@pytest.mark.parametrize('text', ['', '\n \n', '\ufeff'])
def test_empty_list_is_named(tmp_path, text, need_labels):
    with pytest.raises(ValueError, match='train.txt: a list must name at least one sample'):
        read(tmp_path, text, need_labels=need_labels)


@pytest.mark.parametrize('text,settings,message', [
    ('a.mp4 1\nb.mp4\n', {}, r'train.txt:2: .*no label'),
    ('a.mp4\nb.mp4 1\n', {}, r'train.txt:2: .*the lines before have none'),
    ('a.mp4 cat', dict(need_labels=True), r'train.txt:1: .*no label'),
    ('a.mp4 1.5', dict(need_labels=True), r'train.txt:1: .*no label'),
    ('a.mp4 1\nb.mp4 7', dict(num_classes=7), r'train.txt:2: a label must be in \[0, 7\), got 7'),
    ('a.mp4 -1', dict(num_classes=7), r'got -1'),
    ('a 60 1\nb\n', dict(num_counts=1), r'train.txt:2: .*too few fields'),
    ('a 60 1\nb 60\n', dict(num_counts=1), r'train.txt:2: .*no label'),
])
def test_wrong_lines_are_named(tmp_path, text, settings, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, **settings)


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
