import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset

from amd_mm.datasets.labels import (
    check_labels,
    check_range,
    fill_classes,
    read_classes,
)


class Labelled(BaseDataset):
    """Samples with these labels, whose file is ``file``."""

    def __init__(self, labels: list, file: Path) -> None:
        self.labels, self.file = labels, file
        super().__init__()

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=str(self.file), gt_label=label) for label in self.labels]


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / 'a.png').touch()
    return tmp_path / 'a.png'


def test_class_names_are_lines(tmp_path):
    (tmp_path / 'names.txt').write_text('walking the dog\n swimming \n')
    assert read_classes(str(tmp_path / 'names.txt')) == ('walking the dog', 'swimming')


@pytest.mark.parametrize('text, found', [
    ('a\nb\na\n', "'a' twice"), ('a\n\nb\n', 'an empty line'), ('', 'no line')])
def test_a_class_list_with_a_fault_is_refused(tmp_path, text, found):
    (tmp_path / 'names.txt').write_text(text)
    with pytest.raises(ValueError, match=f'names.txt: .* but there is {found}'):
        read_classes(str(tmp_path / 'names.txt'))


def test_labels_must_be_classes(file):
    assert check_range(Labelled([0, 2, [1, 2]], file), 3, 'train data') == {0, 1, 2}
    with pytest.raises(ValueError, match=r'train data: labels must be in \[0, 3\).* got -1, 3;'):
        check_range(Labelled([0, 3, -1], file), 3, 'train data')


def test_every_class_needs_a_sample_and_every_sample_a_file(file):
    check_labels(Labelled([0, 1], file), ('x', 'y'), 'train data')
    with pytest.raises(ValueError, match=r"but 1 of 2 have none: 'y' \(1\)"):
        check_labels(Labelled([0, 0], file), ('x', 'y'), 'train data')
    check_labels(Labelled([0, 0], file), ('x', 'y'), 'val data', need_all=False)
    with pytest.raises(ValueError, match='but 2 of 2 are missing: .*b.png'):
        check_labels(Labelled([0, 1], file.with_name('b.png')), ('x', 'y'), 'train data')


def test_the_number_of_classes_goes_wherever_it_is_asked_for(tmp_path):
    for split in ('train', 'val'):
        for name in ('cat', 'dog', 'emu'):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / '0.png').touch()
    folders = {split: dict(type='mmpretrain.CustomDataset', data_root=str(tmp_path),
                           data_prefix=split) for split in ('train', 'val')}

    def cfg() -> Config:
        return Config(dict(
            model=dict(head=dict(num_classes=None), parts=[dict(num_classes=None)],
                       kept=dict(num_classes=7)),
            train_dataloader=dict(
                dataset=dict(type='amd_mm.KeyedDataset', dataset=folders['train'])),
            val_dataloader=dict(dataset=folders['val'])))

    filled = cfg()
    assert fill_classes(filled) == ('cat', 'dog', 'emu')
    assert (filled.model.head.num_classes, filled.model.parts[0].num_classes) == (3, 3)
    assert filled.model.kept.num_classes == 7
    assert filled.train_dataloader.dataset.dataset.metainfo.classes == ('cat', 'dog', 'emu')
    (tmp_path / 'val' / 'fox').mkdir()
    (tmp_path / 'val' / 'fox' / '0.png').touch()
    with pytest.raises(ValueError, match='val data: .* only one of the two has fox'):
        fill_classes(cfg())


def test_several_labels_in_any_form(file):
    several = Labelled([[0, 2], np.array([1, 1]), torch.tensor([0., 0., 0., 1.])], file)
    assert check_range(several, 4, 'train data') == {0, 1, 2, 3}
    with pytest.raises(ValueError, match=r'\[0, 3\), the number of classes, got 3;'):
        check_range(several, 3, 'train data')


def test_classes_of_several_lists(tmp_path):
    (tmp_path / 'a.txt').write_text('cat\ndog\n')
    (tmp_path / 'b.txt').write_text('dog\ncat\n')

    def cfg(second: str) -> Config:
        parts = [dict(type='amd_mm.VideoDataset', ann_file='x', num_classes=None,
                      metainfo=dict(classes=str(tmp_path / name))) for name in ('a.txt', second)]
        whole = dict(type='ConcatDataset', datasets=parts)
        return Config(dict(train_dataloader=dict(dataset=dict(
            type='amd_mm.KeyedDataset', dataset=whole))))

    filled = cfg('a.txt')
    assert fill_classes(filled) == ('cat', 'dog')
    assert [(part.num_classes, part.metainfo.classes) for part in
            filled.train_dataloader.dataset.dataset.datasets] == [(2, ('cat', 'dog'))] * 2
    with pytest.raises(ValueError, match='train data: must have the classes .* order differs'):
        fill_classes(cfg('b.txt'))


def test_files_are_asked_for_a_folder_at_a_time(file, monkeypatch):
    asked = []
    monkeypatch.setattr('os.scandir', lambda path, scan=os.scandir: asked.append(path) or scan(
        path))
    (file.parent / 'broken.png').symlink_to(file.parent / 'nowhere')
    check_labels(Labelled([0] * 50, file), ('x', ), 'train data')
    assert asked == [str(file.parent)]
    for wrong in ('broken.png', 'other.png', 'folder/a.png'):
        with pytest.raises(ValueError, match=f'1 of 1 are missing: .*{wrong}'):
            check_labels(Labelled([0], file.parent / wrong), ('x', ), 'train data')
