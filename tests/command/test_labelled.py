import pytest

from amd_mm.command.labelled import find_labelled, write_lists


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def find(path, val=None, part=.5, names=None, modality=None):
    return find_labelled(path, val, part, names, modality)[1]


def test_class_folders_are_split(tmp_path):
    touch(tmp_path, *(f'{name}/{number}.png' for name in ('cat', 'a dog') for number in range(4)))
    found = find(tmp_path)
    assert found.folder == tmp_path and found.classes == ('a dog', 'cat')
    assert [label for _, label in found.train] == [label for _, label in found.val] == [0, 0, 1, 1]
    assert str(found) == '2 classes, 4 samples to train on and 4 to validate with'


def test_a_split_of_the_owner_is_kept(tmp_path):
    touch(tmp_path, 'train/a/1.mp4', 'train/b/2.mp4', 'valid/a/3.mp4', 'valid/b/4.mp4')
    found = find(tmp_path)
    assert found.train == [('train/a/1.mp4', 0), ('train/b/2.mp4', 1)]
    assert found.val == [('valid/a/3.mp4', 0), ('valid/b/4.mp4', 1)]
    touch(tmp_path, 'valid/c/5.mp4')
    with pytest.raises(ValueError, match='train/ and valid/ must have the same class folders, but '
                                         'only one of the two has c;'):
        find(tmp_path)


@pytest.mark.parametrize('lines, beside, classes', [
    (['x/1.png 1', 'x/2.png 1', 'y/3.png 0', 'y/4.png 0'], None, ('y', 'x')),
    (['1.png 1', '2.png 1', '3.png 0', '4.png 0'], None, ('0', '1')),
    (['x/1.png 1', 'x/2.png 1', 'x/3.png 0', 'x/4.png 0'], None, ('0', '1')),
    (['1.png 1', '2.png 1', '3.png 0', '4.png 0'], 'ape\nbee\n', ('ape', 'bee'))])
def test_a_list_has_the_names_that_lie_beside_it_or_in_it(tmp_path, lines, beside, classes):
    (tmp_path / 'all.txt').write_text('\n'.join(lines))
    if beside is not None:
        (tmp_path / 'classes.txt').write_text(beside)
    found = find(tmp_path / 'all.txt')
    assert found.classes == classes
    assert sorted(found.train + found.val) == sorted(
        (line[:-2], int(line[-1])) for line in lines)


def test_a_list_to_validate_with_may_be_elsewhere(tmp_path):
    (tmp_path / 'train.txt').write_text('1.png 0\n2.png 1\n')
    (tmp_path / 'there').mkdir()
    (tmp_path / 'there/val.txt').write_text('3.png 1\n')
    found = find(tmp_path / 'train.txt', tmp_path / 'there/val.txt')
    assert found.train == [('1.png', 0), ('2.png', 1)]
    assert found.val == [(str(tmp_path / 'there/3.png'), 1)]


@pytest.mark.parametrize('content, options, message', [
    ('1.png 0\n2.png 2\n', dict(names='two.txt'), 'must be below the number of classes, 2, got 2'),
    ('1.png\n', {}, 'all.txt:1'),
    ('1.png 0\n2.png 0\n3.png 1\n', {}, '1: a class must have at least 2 samples')])
def test_labels_that_do_not_fit_are_refused(tmp_path, content, options, message):
    (tmp_path / 'all.txt').write_text(content)
    (tmp_path / 'two.txt').write_text('a\nb\n')
    with pytest.raises(ValueError, match=message):
        find(tmp_path / 'all.txt', **{key: tmp_path / name for key, name in options.items()})


def test_options_of_lists_are_refused_with_a_folder(tmp_path):
    touch(tmp_path, 'a/1.png', 'a/2.png')
    with pytest.raises(ValueError, match='--classes belongs to a list as --data'):
        find(tmp_path, names='x')


def test_lists_are_written_as_they_are_read(tmp_path):
    touch(tmp_path, 'a 1/two\nlines.png', 'a 1/2.png', 'b/#3.png', 'b/4.png')
    found = find(tmp_path)
    files = write_lists(found, tmp_path / 'lists')
    again = find(files['train'], files['val'])
    assert again.classes == found.classes
    assert again.train == found.train
