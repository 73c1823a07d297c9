"""Faults in a file of real nuclei are counted and named."""
import json
import re
from pathlib import Path

import coco_set
import pytest
from PIL import Image

from amd_mm.datasets.coco_check import check_coco, coco_classes, require_sound
from amd_mm.registry import DATASETS

FULL = 'a box must be x, y, width, height in pixels, within the picture, with an area'


@pytest.fixture
def content() -> dict:
    return coco_set.coco_content(copies=2)


def check(root: Path, content: dict, classes: tuple[str, ...] | None = None):
    return check_coco(str(coco_set.write_coco(root, content)), str(root / 'train'), classes)


def test_a_sound_file(content: dict, tmp_path: Path) -> None:
    report = check(tmp_path, content)
    count = coco_set.instances().max()
    assert report == (2, 2 * count, ('large', 'small'), {}, [])
    # mmdet reads as many boxes, with the same names.
    data = DATASETS.build(dict(
        type='mmdet.CocoDataset', ann_file=str(tmp_path / 'annotations/train.json'), pipeline=[],
        data_prefix=dict(img=''), metainfo=dict(classes=report.classes)))
    assert sum(len(data.get_data_info(index)['instances']) for index in range(2)) == 2 * count


def test_every_fault_is_counted_and_named(content: dict, tmp_path: Path) -> None:
    first, second, third, fourth, *_ = content['annotations']
    side = content['images'][0]['width']
    first['bbox'] = [5, 5, 0, 3]
    second['bbox'] = [side - 4, 5, 9, 3]
    third['bbox'] = [5, 5, float('nan'), 3]
    fourth.update(category_id=99, image_id=77)
    content['annotations'].append(dict(content['annotations'][8]))
    content['images'].append(dict(content['images'][0], id=12, file_name='alone.png'))
    report = check(tmp_path, content)
    assert report.empty == ['alone.png']
    assert report.faults == {
        'ids of annotations must be there once': ['9 is there twice'],
        FULL: [
            'annotation 1 of nuclei 0.png has no area: [5, 5, 0, 3]',
            f'annotation 2 of nuclei 0.png reaches out of {side} x {side}: [{side - 4}, 5, 9, 3]',
            'annotation 3 of nuclei 0.png has [5, 5, nan, 3]'],
        'a category must be one of the 2 in the file': ['annotation 4 has 99'],
        'a box must belong to a picture in the file': ['annotation 4 has image_id 77']}
    assert f'{FULL}, but 3 not so: annotation 1 of' in '\n'.join(report.lines())
    with pytest.raises(ValueError, match='train.json: does not fit .*\n.*9 is there twice'):
        require_sound(str(tmp_path / 'annotations/train.json'), str(tmp_path / 'train'))


def test_a_box_may_end_a_pixel_beyond_the_picture(content: dict, tmp_path: Path) -> None:
    side = content['images'][0]['width']
    content['annotations'][0]['bbox'] = [-1, -1, side + 2, side + 2]
    assert not check(tmp_path, content).faults
    content['annotations'][0]['bbox'] = [-1.1, 0, 5, 5]
    assert list(check(tmp_path, content).faults) == [FULL]


def test_pictures_on_disk(content: dict, tmp_path: Path) -> None:
    content['images'][0]['height'] -= 1
    ann_file = coco_set.write_coco(tmp_path, content)
    (tmp_path / 'train/nuclei 1.png').write_bytes(b'no picture')
    content['images'].append(dict(content['images'][0], id=1, file_name='none.png'))
    ann_file.write_text(json.dumps(content))
    cases, = check_coco(str(ann_file), str(tmp_path / 'train')).faults.values()
    side = content['images'][1]['height']
    assert [re.sub(r'\S+/', '', case) for case in cases] == [
        f'nuclei 0.png is {side} x {side}, but {side} x {side - 1} is said of it',
        'nuclei 1.png cannot be read (UnidentifiedImageError)', 'none.png is missing']


def test_a_picture_that_exif_turns_has_the_size_that_is_loaded(content: dict,
                                                               tmp_path: Path) -> None:
    image = content['images'][0]
    image.update(width=20, height=40, file_name='turned.jpg')
    content.update(images=[image], annotations=[])
    ann_file = coco_set.write_coco(tmp_path, content)
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new('RGB', (40, 20)).save(tmp_path / 'train/turned.jpg', exif=exif)
    assert not check_coco(str(ann_file), str(tmp_path / 'train')).faults
    with pytest.raises(ValueError, match='must be at least one box'):
        require_sound(str(ann_file), str(tmp_path / 'train'))


@pytest.mark.parametrize(('wanted', 'words'), [
    (('small', 'large'), r"the file has \('large', 'small'\) and the list"),
    (('large', ), "only one of the two has 'small'"),
])
def test_a_class_list_in_another_order(wanted: tuple, words: str, content: dict,
                                       tmp_path: Path) -> None:
    ann_file = str(coco_set.write_coco(tmp_path, content))
    assert coco_classes(ann_file, ('large', 'small')) == ('large', 'small')
    with pytest.raises(ValueError, match=words):
        coco_classes(ann_file, wanted)


@pytest.mark.parametrize(('text', 'words'), [
    ('{', 'must be JSON, but line 1, column 2 is not'),
    ('[]', 'but images is missing or no list'),
    ('{"images": [{"id": 1}]}', 'entry 0 lacks file_name, width, height'),
    ('{"images": [], "categories": [], "annotations": []}', 'there is none'),
    ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, '
     '{"id": 2, "name": "a"}]}', "'a' is there twice"),
])
def test_other_files_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(ValueError, match=words):
        check_coco(str(tmp_path / 'a.json'), str(tmp_path))
