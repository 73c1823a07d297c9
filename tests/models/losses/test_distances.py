import pytest
import torch

from amd_mm.models.losses.distances import DISTANCES, FEATURE_DISTANCES


def test_distances_of_one_pair():
    one, other = torch.tensor([0., 0.]), torch.tensor([.5, 3.])
    found = {name: distance(one, other).item() for name, distance in DISTANCES.items()}
    assert found == pytest.approx(dict(l2=(.25 + 9) / 2, l1=1.75, smooth_l1=(.125 + 2.5) / 2))


def test_only_features_have_a_direction():
    assert FEATURE_DISTANCES.keys() - DISTANCES.keys() == {'cosine'}
    one = torch.tensor([[3., 4.], [1., 0.]])
    other = torch.tensor([[4., 3.], [-2., 0.]])
    assert FEATURE_DISTANCES['cosine'](one, other).item() == pytest.approx(
        1 - (24 / 25 - 1) / 2, rel=1e-6)
