import pytest
import torch

from amd_mm.models.losses.distances import DISTANCES


def test_distances_of_one_pair():
    one, other = torch.tensor([0., 0.]), torch.tensor([.5, 3.])
    found = {name: distance(one, other).item() for name, distance in DISTANCES.items()}
    assert found == pytest.approx(dict(l2=(.25 + 9) / 2, l1=1.75, smooth_l1=(.125 + 2.5) / 2))
