from pathlib import Path

import pytest

from amd_mm.command.data import find_data


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize('names, modality, count', [
    (('a/1.mp4', 'b/2.MKV', 'notes.txt'), 'video', 2),
    (('1.jpg', 'deep/er/2.png', '.hidden.mp4'), 'image', 2)])
def test_a_folder_is_what_it_holds(tmp_path, names, modality, count):
    data = find_data(touch(tmp_path, *names))
    assert data[:5] == (modality, tmp_path, None, count, False)
    assert f'{count} {"videos" if modality == "video" else "pictures"}' in data.said


def test_of_both_kinds_one_has_to_be_chosen(tmp_path):
    touch(tmp_path, 'a.mp4', 'b.mp4', 'thumbnail.jpg')
    with pytest.raises(ValueError, match='holds 1 pictures and 2 videos; say which count by'):
        find_data(tmp_path)
    data = find_data(tmp_path, 'video')
    assert data.said.endswith(': 2 videos; left out: 1 of other kinds (1 .jpg)')
    assert find_data(tmp_path, 'image').samples == 1


@pytest.mark.parametrize('text, has_labels', [('a.mp4\nb c.mp4\n', False), ('a.mp4 3\n', True)])
def test_a_list_is_what_it_names(tmp_path, text, has_labels):
    (tmp_path / 'some.txt').write_text(text)
    assert find_data(tmp_path / 'some.txt')[:5] == (
        'video', tmp_path, tmp_path / 'some.txt', text.count('\n'), has_labels)


@pytest.mark.parametrize('name, content, modality, message', [
    ('none', None, None, 'none: --data must be a folder or a list, but there is none'),
    ('a.mp4', '', None, 'a.mp4: --data must be a folder or a list, got one sample'),
    ('list.txt', 'a.mp4\nb.jpg\n', 'video', 'must name videos alone, but names b.jpg'),
    ('list.txt', 'a.jpg\n', 'video', 'must hold videos, as --modality video says'),
    ('.', None, None, 'must hold pictures or videos, found none; files count that end in .avif'),
])
def test_what_is_no_data_is_refused(tmp_path, name, content, modality, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        find_data(tmp_path / name, modality)
