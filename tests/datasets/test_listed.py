"""Samples in a list are those that the whole list has, whichever piece they are read from."""
import copy
import pickle
import random

import pytest

from amd_mm.datasets import VideoDataset, text_files
from amd_mm.datasets.files import PICTURES
from amd_mm.datasets.list_lines import ListForm, ListLine
from amd_mm.datasets.listed import ListedSamples
from amd_mm.datasets.lists import read_list

LISTS = {
    'videos': (
        ListForm(), '\ufeffa b.mp4 0\r\n\n"two\\nlines.mp4" 3\nc.MP4\t 06 \n\n  d,1.mkv,2\n'),
    'no labels': (ListForm(labels='none'), 'a b.mp4\nc 2.mp4\n\n x.jp4.mov \n"3"'),
    'pictures': (ListForm(PICTURES, labels='needed'), 'a.png 0\nb.jp2 1\nc.jpg,2\nd.gif 1'),
    'shards': (ListForm(), 's-0.tar#512+34 1\ns-0.tar#1536+9 2\na/s-1.tar#512+7 1\n'),
    'no labels of shards': (ListForm(), 's-0.tar#512+34\ns-0.tar#1536+9\ns-1.tar#512+7\n'),
    'frames': (ListForm(None, ('total_frames', )), 'a b 60 1\n7 5 2\n\nc,1 60 3\n'),
    'frames, no labels': (ListForm(None, ('offset', 'total_frames')), 'a b 0 60\nc 5 60\n'),
    'several': (ListForm(several=True), 'a.mp4 1 2\nb.mp4 3\nc d.mp4 0 1 2'),
    'commas': (ListForm(delimiter=','), 'a, b.mp4,4\nc d 5.mp4, 5\ne.mp4,6\n'),
}


def info(line: ListLine) -> dict:
    """Of a module, so that it travels."""
    return line._asdict()


@pytest.fixture(params=[0, 1 << 20], ids=['long', 'short'], autouse=True)
def kept(monkeypatch, request):
    """Lists that stay on the disk, and those that do not."""
    monkeypatch.setattr(text_files, '_LONG', request.param)


@pytest.mark.parametrize('size', [1, 12, 4096])
@pytest.mark.parametrize('name', LISTS)
def test_samples_are_the_lines_of_the_list(tmp_path, monkeypatch, name, size):
    form, text = LISTS[name]
    path = tmp_path / 'a.txt'
    path.write_text(text)
    expected = list(map(info, read_list(str(path), form)))
    monkeypatch.setattr(text_files, '_PIECE', size)
    samples = ListedSamples(str(path), form, info)
    numbers = list(range(len(samples)))
    assert len(samples) == len(expected) and list(samples) == expected
    random.Random(0).shuffle(numbers)
    assert [samples[number] for number in numbers] == [expected[number] for number in numbers]
    assert samples[-1] == expected[-1]
    assert samples.labels == {label for line in expected for label in line['labels']}
    assert list(samples[1:]) == expected[1:] and samples[1:].labels is None
    assert list(samples[-2:][:1]) == expected[-2:-1]
    for other in (pickle.loads(pickle.dumps(samples)), copy.deepcopy(samples)):
        assert list(other) == expected
    with pytest.raises(IndexError):
        samples[len(expected)]


def test_a_long_list_is_read_by_pieces_with_the_numbers_of_its_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, '_PIECE', 64)
    lines = [f'{number % 7}/{number}.mp4 {number % 5}' for number in range(1000)]
    path = tmp_path / 'a.txt'
    path.write_text('\n'.join(lines))
    samples = ListedSamples(str(path), ListForm(num_classes=5), info)
    assert len(samples) == 1000
    assert samples[777] == dict(number=778, path='0/777.mp4', counts=(), labels=(2, ))
    for odd, words in ((f'{lines[600]}5', r'a.txt:601: a label must be in \[0, 5\), got 5'),
                       ('600.mp4', 'a.txt:601: .*no label'), ('# 600', 'a.txt:601: .*a comment'),
                       ('a.mp4 60 0', 'a.txt:601: .*a number more')):
        path.write_text('\n'.join([*lines[:600], odd, *lines[601:]]))
        with pytest.raises(ValueError, match=words):
            ListedSamples(str(path), ListForm(num_classes=5), info)


def test_lines_without_a_usual_suffix_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, '_PIECE', 1)
    path = tmp_path / 'a.txt'
    path.write_text('a.mp4 0\nb.mp4 1\nc.mp4 1\nodd.x 2\nd.mp4 2\n')
    seen = []
    ListedSamples(str(path), ListForm(), info, lambda line: seen.append(line.path))
    # Of the first two it is not known yet what lines are like.
    assert seen == ['a.mp4', 'b.mp4', 'odd.x']


def test_a_list_that_changes_under_a_run_is_refused(tmp_path, request):
    path = tmp_path / 'a.txt'
    path.write_text('a.mp4 0\nb.mp4 1\n')
    dataset = VideoDataset([], str(path), dict(video='/v'))
    with path.open('r+') as file:
        file.write('c')
    if 'short' in request.node.name:
        assert dataset.get_data_info(0)['filename'] == '/v/a.mp4'
    else:
        with pytest.raises(ValueError, match='a.txt: a long list must stay as it is while'):
            dataset.get_data_info(0)


def test_parts_of_a_data_set_and_its_copies(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text(''.join(f'{number}.mp4 {number % 3}\n' for number in range(9)))

    def names(dataset):
        return [dataset.get_data_info(n)['filename'] for n in range(len(dataset))]

    whole = VideoDataset([], str(path))
    assert names(VideoDataset([], str(path), serialize_data=True)) == names(whole)
    assert names(VideoDataset([], str(path), indices=2)) == ['0.mp4', '1.mp4']
    assert names(VideoDataset([], str(path), indices=[5, -1])) == ['5.mp4', '8.mp4']
    assert names(whole.get_subset(-2)) == ['7.mp4', '8.mp4']
    assert names(pickle.loads(pickle.dumps(whole))) == names(whole)
