import numpy as np
import pytest

from amd_mm.deploy.parity import compare


def test_differences_and_decisions_by_hand():
    want = [np.array([[.5, .3, .2]]), np.array([[.1, .2, .7]])]
    have = [np.array([[.5, .3, .2]]), np.array([[.1, .55, .35]])]
    found = compare(want, have, 'classifier')
    assert found.largest == pytest.approx(.35 / .7)
    assert found.mean == pytest.approx(.7 / 6 / .7)
    assert found.equal == .5
    assert str(found) == ('largest difference 5.0e-01, mean 1.7e-01 of the largest output; equal '
                          'decisions 50.0 % (best class of 2)')


def test_of_an_encoder_the_nearest_other_input_decides():
    want = [np.array([[1., 0.]]), np.array([[.9, .1]]), np.array([[0., 1.]])]
    # Scaled features point where they did.
    assert compare(want, [3 * one for one in want], 'encoder').equal == 1
    # The second now is nearest to the third, which was nearest to it before.
    moved = [want[0], np.array([[.1, .9]]), want[2]]
    assert compare(want, moved, 'encoder').equal == pytest.approx(2 / 3)
    assert compare(want[:2], want[:2], 'encoder').decisions == 'none: it takes 3 inputs of 1'


def test_what_is_not_finite_differs_infinitely():
    want = [np.array([[.5, .5]])]
    assert compare(want, [np.array([[.5, np.nan]])], 'classifier').largest == np.inf
