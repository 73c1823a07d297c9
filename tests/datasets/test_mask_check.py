"""Masks that fit are counted; what does not is counted, listed and named."""
from pathlib import Path

import nuclei
import numpy as np
import pytest
from mmseg.datasets import ADE20KDataset
from PIL import Image

from amd_mm.datasets import KeyedDataset, MaskDataset, check_masks

FOLDERS = dict(img_path='train/pictures', seg_map_path='train/masks')


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return nuclei.make_own(tmp_path)


def build(root: Path) -> MaskDataset:
    return MaskDataset(str(root), FOLDERS, dict(classes=nuclei.CLASSES))


def path_of(root: Path, number: int, folder: str = 'masks') -> Path:
    return next((root / 'train' / folder).rglob(f'{number}.png'))


def truth() -> np.ndarray:
    return np.stack([nuclei.mask(corner) for corner in nuclei.CORNERS[:nuclei.TRAINED]])


def test_pixels_are_counted(root: Path) -> None:
    masks = truth()
    masks[3] = 255
    masks[2, :5] = 255
    for number in (2, 3):
        nuclei.save(masks[number], path_of(root, number))
    expected = [(masks == label).sum() for label in (0, 1)]
    for dataset in (build(root), KeyedDataset(build(root), [])):
        counts = check_masks(dataset, 2, 'data')
        assert counts.pixels.tolist() == expected
        assert (counts.samples, counts.ignored, counts.blank) == (4, (masks == 255).sum(), 1)


def test_ade20k_and_a_choice_of_its_classes(tmp_path: Path) -> None:
    """0 does not count; a label map says which classes there are."""
    folders = dict(img_path='images/training', seg_map_path='annotations/training')
    root = nuclei.make_ade(tmp_path)
    nuclei.save(truth()[0], root / 'annotations/training/ADE_0.png')
    inside = truth().sum((1, 2))
    size = nuclei.SIDE**2
    whole = ADE20KDataset(data_root=str(root), data_prefix=folders)
    counts = check_masks(whole, 150, 'data')
    assert counts.ignored == size - inside[0]
    assert counts.pixels[:3].tolist() == [inside[0] + 3 * size - inside[1:].sum(),
                                          inside[1:].sum(), 0]
    chosen = ADE20KDataset(data_root=str(root), data_prefix=folders,
                           metainfo=dict(classes=('building', )))
    assert check_masks(chosen, 1, 'data').pixels.tolist() == [inside[1:].sum()]


def test_all_that_is_wrong_is_said_at_once(root: Path) -> None:
    masks = truth()
    masks[0, 0, :3] = 7, 254, 7
    nuclei.save(masks[0], path_of(root, 0))
    nuclei.save(masks[1][:-4], path_of(root, 1))
    Image.fromarray(np.repeat(masks[2][..., None], 3, 2)).save(path_of(root, 2))
    path_of(root, 3).write_bytes(b'')
    path_of(root, 3, 'pictures').write_bytes(b'')
    with pytest.raises(ValueError) as caught:
        check_masks(build(root), 2, 'train data')
    first, *lines, last = str(caught.value).splitlines()
    assert first == ('train data: every picture must have a mask of its size with labels in [0, 2) '
                     'or 255, but of 4 samples')
    assert lines == [
        f'  1 masks have labels of no class: {path_of(root, 0)} (7, 254)',
        f'  1 masks have another size than their picture: {path_of(root, 1)} 64 x 60 for 64 x 64',
        f'  1 masks are not one channel of whole numbers: {path_of(root, 2)}',
        f'  1 pictures cannot be read: {path_of(root, 3, "pictures")} is empty',
        f'  1 masks cannot be read: {path_of(root, 3)} is empty']
    assert last == ('  Mend or remove them, or check the number of classes and the class list.')


def test_labels_beyond_8_bits_do_not_wrap_around(root: Path) -> None:
    """mmsegmentation would read 256 as 0."""
    Image.fromarray(truth()[0].astype(np.uint16) * 256).save(path_of(root, 0))
    with pytest.raises(ValueError, match=r'1 masks have labels of no class: .*0\.png \(256\)'):
        check_masks(build(root), 2, 'data')
    with pytest.raises(ValueError, match=r'must be in \[1, 255\], .* got 300; join classes'):
        check_masks(build(root), 300, 'data')


def test_damaged_files(root: Path) -> None:
    path_of(root, 0).write_bytes(path_of(root, 0).read_bytes()[:60])
    path_of(root, 1).write_text('no picture')
    path_of(root, 2, 'pictures').write_text('no picture')
    with pytest.raises(ValueError) as caught:
        check_masks(build(root), 2, 'data')
    assert '0.png is cut short or damaged' in str(caught.value)
    assert '2 masks cannot be read' in str(caught.value)
    assert '2.png is no picture of a kind that can be read' in str(caught.value)


def test_a_turned_picture_has_the_size_that_is_shown(root: Path) -> None:
    wide = np.zeros((40, 64), np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    picture = path_of(root, 0, 'pictures')
    Image.fromarray(wide).save(picture, exif=turned)
    nuclei.save(wide.T.copy(), path_of(root, 0))
    assert check_masks(build(root), 2, 'data').samples == 4


def test_classes_without_a_pixel_are_said(root: Path, monkeypatch) -> None:
    said = []
    monkeypatch.setattr('amd_mm.datasets.mask_check.print_log',
                        lambda message, *_, level: said.append((message, level)))
    nuclei.save(np.full((nuclei.SIDE, nuclei.SIDE), 255, np.uint8), path_of(root, 0))
    check_masks(build(root), 4, 'train data')
    assert said == [('train data: 2 of 4 classes have no pixel: 2, 3', 30),
                    ('train data: 1 of 4 masks have no class in any pixel', 30)]
