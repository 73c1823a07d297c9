"""Boxes that move before features are taken from them: numbers of the released formulas."""
import pytest
import torch

from amd_mm.models import MovingRoIExtractor

# mmaction2's, SingleRoIExtractor3D.
HOSTS = MovingRoIExtractor.__base__
PLAIN = dict(featmap_stride=16, output_size=7, aligned=False)
JITTER, ENLARGE = (.2, .1, .1, .05), (.1, .05)


def extractor(jitter=JITTER, enlarge=ENLARGE) -> MovingRoIExtractor:
    return MovingRoIExtractor(jitter=jitter, enlarge=enlarge, **PLAIN)


@pytest.fixture
def features() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 3, 4, 14, 20)


def test_boxes_are_enlarged_in_testing_and_cut_at_the_picture(features):
    rois = torch.tensor([[0., 100, 50, 199, 149], [1., 0, 0, 319, 223]])
    # 100 pixels wide: 5 more on each side; 100 high: 2.5.
    moved = torch.tensor([[0., 95, 47.5, 204, 151.5], [1., 0, 0, 319, 223]])
    found, whole = extractor().eval()(features, rois)
    expected, clips = HOSTS(**PLAIN)(features, moved)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(whole, clips)
    assert found.shape == (2, 3, 1, 7, 7)


def test_each_side_moves_evenly_within_its_shares_in_training():
    torch.manual_seed(0)
    rois = torch.tensor([[0., 100, 50, 199, 149]]).repeat(4000, 1)
    moved = extractor().train()._moved(rois, torch.tensor([319., 223.]))
    low, high = torch.tensor([80., 40, 189, 144]), torch.tensor([110., 55, 219, 159])
    sides = moved[:, 1:]
    assert (sides >= low).all() and (sides <= high).all() and (moved[:, 0] == 0).all()
    torch.testing.assert_close(sides.mean(0), (low + high) / 2, atol=.6, rtol=0)
    torch.testing.assert_close(sides.std(0), (high - low) / 12**.5, atol=.4, rtol=0)
    # Each on its own.
    assert (torch.corrcoef(sides.T) - torch.eye(4)).abs().max() < .06


def test_boxes_keep_a_pixel_within_the_picture():
    torch.manual_seed(0)
    rois = torch.tensor([[0., 319, 223, 319, 223], [0., 0, 0, 0, 0]]).repeat(50, 1)
    for mode in (True, False):
        moved = extractor().train(mode)._moved(rois, torch.tensor([319., 223.]))
        first, last = moved[:, 1:3], moved[:, 3:]
        assert (first >= 0).all() and (last >= first + 1).all()
        assert (last <= torch.tensor([319., 223.])).all()


def test_without_shares_it_is_the_hosts(features):
    rois = torch.tensor([[0., 10, 20, 90, 180], [1., 33, 0, 70, 100]])
    ours = extractor((0, 0, 0, 0), (0, 0))
    for mode in (True, False):
        torch.testing.assert_close(
            ours.train(mode)(features, rois)[0], HOSTS(**PLAIN)(features, rois)[0])
