import pytest
import torch

from amd_mm.models.losses.distances import DISTANCES, require_distance


def test_distances_of_one_pair():
    one, other = torch.tensor([0., 0.]), torch.tensor([.5, 3.])
    found = {name: distance(one, other).item() for name, distance in DISTANCES.items()}
    assert found == pytest.approx(dict(l2=(.25 + 9) / 2, l1=1.75, smooth_l1=(.125 + 2.5) / 2))


def test_an_unknown_one_is_named():
    require_distance('l1')
    with pytest.raises(ValueError, match=r"one of \('l2', 'l1', 'smooth_l1'\), got 'L2'"):
        require_distance('L2')
