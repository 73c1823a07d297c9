"""Maps of the small recipe, against the model's own logits."""
from pathlib import Path

import nuclei
import numpy as np
import pytest
import torch

from amd_mm.inference import Segmentor

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return nuclei.make_own(tmp_path / 'own')


def test_a_map_is_the_models(root: Path, tmp_path: Path) -> None:
    """Of a picture that testing takes as it is: one window of 96 pixels, labels at 96."""
    cfg, model = nuclei.segmented(tmp_path, root)
    cfg.model.test_cfg = dict(mode='whole')
    picture = nuclei.read('picture')[:96, :96]
    path = nuclei.save(picture, tmp_path / 'picture.png')
    segmentor = Segmentor(cfg, tmp_path / 'last.pth')
    pixels = (torch.from_numpy(picture.copy()).float()[..., None] - MEAN) / STD
    with torch.no_grad():
        logits = model.decode_head(model.extract_feat(pixels.permute(2, 0, 1)[None]))
        logits = torch.nn.functional.interpolate(logits, (96, 96), mode='bilinear')
    expected = logits.argmax(1)[0].numpy()
    labels = segmentor.labels(path)
    assert set(np.unique(expected)) == {0, 1}
    # Where both classes are as likely the last bits decide.
    assert (labels == expected).mean() > .999
    first, second = segmentor.shares(labels)
    count = np.bincount(labels.ravel())
    assert (first.label, first.name) == (count.argmax(), nuclei.CLASSES[count.argmax()])
    assert first.share == count.max() / 96**2 and first.share + second.share == 1
    assert segmentor.palette == [(0, 0, 255), (250, 100, 0)]


def test_any_size_is_given_back(root: Path, tmp_path: Path) -> None:
    cfg, _ = nuclei.segmented(tmp_path, root)
    segmentor = Segmentor(cfg, tmp_path / 'last.pth')
    path = nuclei.save(nuclei.read('picture')[:50, :130], tmp_path / 'picture.png')
    assert segmentor.labels(path).shape == (50, 130)


def test_annotated_pictures(root: Path, tmp_path: Path) -> None:
    cfg, _ = nuclei.segmented(tmp_path, root)
    data = Segmentor(cfg, tmp_path / 'last.pth').annotated()
    assert len(data) == 2 and data.path(1).name == '5.png'
    assert (data.truth(1) == nuclei.mask(nuclei.CORNERS[5])).all()


def test_what_does_not_fit_is_refused(root: Path, tmp_path: Path) -> None:
    cfg, model = nuclei.segmented(tmp_path, root)
    content = torch.load(tmp_path / 'last.pth', weights_only=True)
    with pytest.raises(ValueError, match='must be as many as the classes of the model'):
        (tmp_path / 'three.txt').write_text('a\nb\nc')
        cfg.model.decode_head.num_classes = cfg.model.auxiliary_head.num_classes = 2
        Segmentor(cfg, tmp_path / 'last.pth', tmp_path / 'three.txt')
    del content['state_dict']['decode_head.conv_seg.weight']
    torch.save(content, tmp_path / 'less.pth')
    with pytest.raises(ValueError, match=r'must fit the model exactly, but .*conv_seg'):
        Segmentor(cfg, tmp_path / 'less.pth')
    broken = tmp_path / 'broken.png'
    broken.write_text('no picture')
    with pytest.raises(ValueError, match='must be a picture, but is no picture of a kind'):
        Segmentor(cfg, tmp_path / 'last.pth').labels(broken)


def test_classes_that_nobody_names(root: Path, tmp_path: Path) -> None:
    cfg, model = nuclei.segmented(tmp_path, root)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'bare.pth')
    assert Segmentor(cfg, tmp_path / 'bare.pth').classes == nuclei.CLASSES
    for dataset in nuclei.datasets(cfg).values():
        dataset.pop('metainfo')
    with pytest.raises(ValueError, match='give --classes FILE'):
        Segmentor(cfg, tmp_path / 'bare.pth')
    cfg.model.decode_head.num_classes = cfg.model.auxiliary_head.num_classes = 2
    nobodys = Segmentor(cfg, tmp_path / 'bare.pth')
    assert nobodys.shares(np.array([[1, 1, 0]]))[0] == (1, None, 2 / 3)
    assert nobodys.palette == [(0, 0, 0), (128, 0, 0)]
