from pathlib import Path

import pytest
from mmengine.registry import DATASETS

from amd_mm.datasets import PictureDataset

DATA = Path(__file__).parents[1] / 'data'


def samples(dataset):
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    return [(info['img_path'], info.get('gt_label')) for info in infos]


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_hidden_folders_are_no_classes_and_every_suffix_counts(tmp_path):
    make(tmp_path, 'b/2.jfif', 'a/deep/1.WEBP', '.hid/0.jpg', 'a/._1.jpg', 'b/notes.txt')
    dataset = PictureDataset(data_prefix=str(tmp_path))
    assert dataset.metainfo['classes'] == ('a', 'b')
    assert samples(dataset) == [(f'{tmp_path}/a/deep/1.WEBP', 0), (f'{tmp_path}/b/2.jfif', 1)]
    with pytest.raises(ValueError, match='as many class folders as class names, got 2 and 3'):
        PictureDataset(data_prefix=str(tmp_path), metainfo=dict(classes=('a', 'b', 'c')))


def test_a_folder_without_labels(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('amd_mm.datasets.picture_dataset.print_log',
                        lambda line, logger: said.append(line))
    make(tmp_path, 'in/b.tiff', 'in/a dir/1.gif', 'in/._b.tiff', 'in/c.avif')
    dataset = DATASETS.build(dict(
        type='amd_mm.PictureDataset', data_root=str(tmp_path), data_prefix='in', with_label=False))
    assert samples(dataset) == [(f'{tmp_path}/in/{name}', None)
                                for name in ('a dir/1.gif', 'b.tiff', 'c.avif')]
    assert said == [f'{tmp_path}/in: 3 pictures; left out: 1 hidden (._b.tiff)']
    make(tmp_path, 'none/notes.txt')
    with pytest.raises(ValueError, match='none: 0 pictures; .*must hold at least one file ending'):
        PictureDataset(data_prefix=str(tmp_path / 'none'), with_label=False)


def test_lists_are_read_as_those_of_videos(tmp_path):
    dataset = PictureDataset(data_prefix='/p', ann_file=str(DATA / 'lists/pictures.txt'))
    assert samples(dataset) == [
        ('/p/cat/a.png', 0), ('/p/cat/b.png', 0), ('/p/dog/c,1.png', 1)]
    with pytest.raises(ValueError, match='pictures.txt:1: .*a label where none is expected'):
        PictureDataset(
            data_prefix='/p', ann_file=str(DATA / 'lists/pictures.txt'), with_label=False)
    with pytest.raises(ValueError, match=r'pictures.txt:4: a label must be in \[0, 1\), got 1'):
        PictureDataset(data_prefix='/p', ann_file=str(DATA / 'lists/pictures.txt'),
                       metainfo=dict(classes=('cat', )))
    (tmp_path / 'list.txt').write_text('/abs/a b.png\n"two\\nlines.png"\n')
    dataset = PictureDataset(
        data_root=str(tmp_path), data_prefix='in', ann_file='list.txt', with_label=False)
    assert samples(dataset) == [('/abs/a b.png', None), (f'{tmp_path}/in/two\nlines.png', None)]


def test_misspelt_argument_is_refused(tmp_path):
    with pytest.raises(TypeError, match='with_labels'):
        PictureDataset(data_prefix=str(tmp_path), with_labels=False)
