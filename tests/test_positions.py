"""Position tables: the papers' formulas, and interpolation against sums written out by hand."""
import math

import numpy as np
import pytest
import torch

from amd_mm.positions import (
    fixed_positions,
    grids_of_fixed,
    is_fixed,
    resize_positions,
    sincos_positions,
    space_time_positions,
)
from amd_mm.tokens import TokenGrid


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


def test_space_time_positions_are_mvds():
    """A quarter of the channels for time, three for space, column before row; sines first."""
    table = space_time_positions((2, 3, 5), 32)[0]
    for frame, row, column in ((0, 0, 0), (1, 2, 3), (1, 0, 4)):
        waves = [wave(axis / 10000**(i / count)) for axis, count in (
            (frame, 4), (column, 6), (row, 6)) for wave in (math.sin, math.cos)
            for i in range(count)]
        index = (frame * 3 + row) * 5 + column
        assert table[index].tolist() == pytest.approx(waves, abs=1e-6)
    with pytest.raises(ValueError, match='multiple of 16 for positions in time and space, got 24'):
        space_time_positions((2, 3, 5), 24)


@pytest.mark.parametrize('prefix', [0, 1])
def test_fixed_tables_of_images_tell_their_rows_and_columns(prefix: int):
    """In both orders of the channels: MAE's, and MoCo v3's and mmpretrain's."""
    for grid in ((3, 4), (4, 3), (2, 6), (1, 12), (4, 4)):
        table = fixed_positions('image', (1, *grid), 24, prefix)
        assert grids_of_fixed(table, prefix) == [grid]
        if 1 not in grid:
            assert grids_of_fixed(table.roll(12, 2), prefix) == [grid]
    assert grids_of_fixed(torch.randn(1, 12 + prefix, 24), prefix) == []


def test_width_must_fit():
    with pytest.raises(ValueError, match='multiple of 4 for sine-cosine positions, got 6'):
        sincos_positions(TokenGrid((3, 5), (8, 8)), 6)


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75, as torch has it."""
    x, a = abs(distance), -.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.


def linear(distance: float) -> float:
    return max(0., 1 - abs(distance))


def matrix(old: int, new: int, kernel, reach: int) -> np.ndarray:
    """(new, old) weights with pixel centres at half integers and edges repeated."""
    weights = np.zeros((new, old))
    for i in range(new):
        place = (i + .5) * old / new - .5
        for j in range(int(np.floor(place)) - reach + 1, int(np.floor(place)) + reach + 1):
            weights[i, min(max(j, 0), old - 1)] += kernel(place - j)
    return weights


@pytest.mark.parametrize('prefix', [0, 1])
@pytest.mark.parametrize(('old', 'new'), [
    ((2, 4, 4), (2, 7, 7)), ((2, 4, 4), (6, 4, 4)), ((4, 5, 5), (3, 8, 8)), ((1, 4, 4), (1, 2, 2))])
def test_equals_a_direct_sum(old: tuple, new: tuple, prefix: int) -> None:
    table = torch.randn(1, prefix + np.prod(old), 6, generator=torch.Generator().manual_seed(0))
    have = resize_positions(table, old, new, prefix)
    rest = table[0, prefix:].double().numpy().reshape(*old, 6)
    want = np.einsum('at,bh,cw,thwd->abcd', matrix(old[0], new[0], linear, 1),
                     matrix(old[1], new[1], cubic, 2), matrix(old[2], new[2], cubic, 2), rest)
    np.testing.assert_allclose(have[0, prefix:].numpy(), want.reshape(-1, 6), atol=1e-6)
    assert torch.equal(have[:, :prefix], table[:, :prefix])


def test_same_grid_is_the_same_table() -> None:
    table = torch.randn(1, 32, 6)
    assert resize_positions(table, (2, 4, 4), (2, 4, 4)) is table


def test_another_grid_than_said_is_refused() -> None:
    with pytest.raises(ValueError, match=r'2 x 4 x 4 rows, got \(1, 30, 6\)'):
        resize_positions(torch.randn(1, 30, 6), (2, 4, 4), (2, 8, 8))


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_knows_the_fixed_tables(dtype: torch.dtype) -> None:
    for modality, grid, prefix in (('video', (2, 4, 4), 0), ('image', (1, 4, 4), 1)):
        table = fixed_positions(modality, grid, 24, prefix).to(dtype)
        assert is_fixed(table, modality, grid, prefix)
        table[0, 3, 5] += .1
        assert not is_fixed(table, modality, grid, prefix)
