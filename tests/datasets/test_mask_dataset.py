"""Pictures and their masks in folders, as they are and with something wrong."""
from pathlib import Path

import nuclei
import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset

from amd_mm.datasets import MaskDataset
from amd_mm.datasets.mask_dataset import default_palette

FOLDERS = dict(img_path='train/pictures', seg_map_path='train/masks')
READ = [dict(type='amd_mm.LoadPicture'), dict(type='mmseg.LoadAnnotations')]


def build(root: Path, **settings) -> MaskDataset:
    return MaskDataset(**{**dict(
        data_root=str(root), data_prefix=FOLDERS,
        metainfo=dict(classes=str(root / 'classes.txt'))), **settings})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return nuclei.make_own(tmp_path)


def test_samples_are_what_mmsegmentation_makes_of_the_same_folders(root: Path) -> None:
    ours = build(root)
    host = BaseSegDataset(img_suffix='.png', data_root=str(root), data_prefix=FOLDERS,
                          metainfo=dict(classes=nuclei.CLASSES))
    assert len(ours) == len(host) == nuclei.TRAINED
    for index in range(len(ours)):
        assert ours.get_data_info(index) == host.get_data_info(index)
    assert ours.metainfo['classes'] == nuclei.CLASSES


@pytest.mark.parametrize('reduced', [False, True])
def test_pixels_and_labels(root: Path, reduced: bool) -> None:
    sample = build(root, pipeline=READ, reduce_zero_label=reduced)[1]
    corner = nuclei.CORNERS[1]
    assert (sample['img'] == nuclei.crop('picture', corner)[..., None]).all()
    inside = nuclei.mask(corner) == 1
    expected = np.where(inside, 0, 255) if reduced else inside
    assert (sample['gt_seg_map'] == expected).all()


def test_names_may_differ_in_their_suffix_and_masks_may_be_more(root: Path) -> None:
    for path in (root / 'train/masks').rglob('2.png'):
        nuclei.save(nuclei.mask((0, 0)), path.with_suffix('.TIF'))
        path.unlink()
    nuclei.save(nuclei.mask((0, 0)), root / 'train/masks/of nothing.png')
    found = build(root)
    assert [Path(found.get_data_info(index)['seg_map_path']).name
            for index in range(len(found))] == ['0.png', '1.png', '2.TIF', '3.png']


def test_pictures_without_a_mask_are_counted_and_listed(root: Path) -> None:
    for number in (1, 3):
        next((root / 'train/masks').rglob(f'{number}.png')).unlink()
    with pytest.raises(ValueError, match=(
            r'train/masks: every picture must have a mask .* 2 of 4 have none: '
            r'from a microscope/1\.png, from a microscope/3\.png; add the masks')):
        build(root)


@pytest.mark.parametrize('folder, kind', [('pictures', 'pictures'), ('masks', 'masks')])
def test_two_files_of_one_name(root: Path, folder: str, kind: str) -> None:
    path = next((root / 'train' / folder).rglob('1.png'))
    nuclei.save(nuclei.mask((0, 0)), path.with_suffix('.bmp'))
    with pytest.raises(ValueError, match=f'{kind} must differ in more than the suffix, but 1 do '
                                         r'not: from a microscope/1\.png; remove or rename'):
        build(root)


def test_an_empty_folder(root: Path) -> None:
    (root / 'empty').mkdir()
    with pytest.raises(ValueError, match='a folder of masks must hold at least one file ending in'):
        build(root, data_prefix=dict(FOLDERS, seg_map_path='empty'))


def test_the_palette_is_pascal_vocs() -> None:
    """The first colours as its development kit lists them; one's own are taken instead."""
    assert default_palette(9) == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128),
        (0, 128, 128), (128, 128, 128), (64, 0, 0)]
    assert len(set(default_palette(256))) == 256


def test_a_palette_of_ones_own(root: Path) -> None:
    own = [(1, 2, 3), (4, 5, 6)]
    meta = dict(classes=nuclei.CLASSES, palette=own)
    assert build(root, metainfo=meta).metainfo['palette'] == own
    assert build(root).metainfo['palette'] == [(0, 0, 0), (128, 0, 0)]
