import pytest

from amd_mm.datasets.split import split_classes

FILES = [(f'{name}/{number}.mp4', label) for label, name in enumerate('ab') for number in range(5)]


def test_every_class_is_split_and_the_same_every_time():
    lists = split_classes(FILES, 'ab', .4)
    assert sorted(lists['train'] + lists['val']) == FILES
    assert [label for _, label in lists['val']] == [0, 0, 1, 1]
    assert lists == split_classes(FILES[::1], 'ab', .4) != split_classes(FILES, 'ab', .4, seed=1)


def test_each_side_has_one_at_least():
    for part in (.01, .99):
        assert {label for _, label in split_classes(FILES, 'ab', part)['val']} == {0, 1}
        assert {label for _, label in split_classes(FILES, 'ab', part)['train']} == {0, 1}


@pytest.mark.parametrize('files, part, message', [
    (FILES, 1, r'must be in \(0, 1\), got 1'), (FILES, 0, 'got 0'),
    (FILES[:6], .2, 'b: a class must have at least 2 samples, .* found 1')])
def test_what_cannot_be_split_is_refused(files, part, message):
    with pytest.raises(ValueError, match=message):
        split_classes(files, 'ab', part)
