"""Paired comparisons against SciPy and numbers by hand."""
import pytest
from scipy import stats

from amd_mm.studies import compare, holm

AMD, VIDEOMAE = [0.95, 0.96, 0.94, 0.97, 0.95], [0.82, 0.78, 0.65, 0.80, 0.77]


def test_the_paired_t_test_is_scipys():
    found = compare(AMD, VIDEOMAE)
    expected = stats.ttest_rel(AMD, VIDEOMAE)
    interval = expected.confidence_interval(0.95)
    assert found.t_test == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.mean == pytest.approx((0.13 + 0.18 + 0.29 + 0.17 + 0.18) / 5)
    assert found.mean - found.half_width == pytest.approx(interval.low, rel=1e-9)
    assert found.mean + found.half_width == pytest.approx(interval.high, rel=1e-9)


def test_five_seeds_of_one_sign_flip_to_two_of_32():
    assert compare(AMD, VIDEOMAE).sign_flip == pytest.approx(2 / 32)


def test_sign_flips_by_hand():
    # 1 - 2 + 3 = 2; the 8 choices of signs give 6, 4, 2, 0 and their mirrors: 6 are at least 2.
    assert compare([1, 0, 3], [0, 2, 0]).sign_flip == pytest.approx(6 / 8)


def test_equal_differences_have_no_t_test():
    for first, second in (([0.3, 0.2], [0.2, 0.1]), ([0.1, 0.2], [0.1, 0.2])):
        found = compare(first, second)
        assert found.t_test is None
        assert found.half_width == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize('first, second', [([0.1], [0.2]), ([0.1, 0.2], [0.1])])
def test_what_is_not_paired_is_refused(first, second):
    with pytest.raises(ValueError, match=f'got {len(first)} and {len(second)}: run more seeds'):
        compare(first, second)


def test_holms_numbers_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1., 1.])
    assert holm([]) == []
