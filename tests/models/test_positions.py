import math

import pytest

from amd_mm.models.masks import TokenGrid
from amd_mm.models.positions import sincos_positions


def test_clip_positions_are_videomaes():
    table = sincos_positions(TokenGrid((2, 3, 4), (2, 8, 8)), 6)[0]
    assert table.shape == (24, 6)
    for position in (0, 7, 23):
        for column in range(6):
            angle = position / 10000**(2 * (column // 2) / 6)
            wave = math.sin(angle) if column % 2 == 0 else math.cos(angle)
            assert table[position, column].item() == pytest.approx(wave, abs=1e-6)


def test_image_positions_are_maes():
    table = sincos_positions(TokenGrid((3, 5), (8, 8)), 8, num_prefix_tokens=1)[0]
    assert not table[0].any()
    for row, column in ((0, 0), (1, 4), (2, 3)):
        waves = [wave(axis / 10000**(i / 2)) for axis in (column, row)
                 for wave in (math.sin, math.cos) for i in range(2)]
        assert table[1 + row * 5 + column].tolist() == pytest.approx(waves, abs=1e-6)


def test_width_must_fit():
    with pytest.raises(ValueError, match='multiple of 4 for sine-cosine positions, got 6'):
        sincos_positions(TokenGrid((3, 5), (8, 8)), 6)
