"""Masks of any grid, ratio, strategy and key part the tokens, at the counts that they promise."""
import torch
from hypothesis import given
from hypothesis import strategies as st

from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.tokens import TokenGrid

SIDES = st.integers(1, 9)
RATIOS = st.floats(0, 1, exclude_max=True)
RATIOS_OF_BLOCKS = st.lists(st.floats(.1, 10), min_size=2, max_size=2).map(sorted)
STRATEGIES = st.one_of(
    st.sampled_from(['random', 'tube', dict(type='amd_mm.RunningCellMasking'),
                     dict(type='amd_mm.AttentionMasking')]),
    st.builds(lambda aspect: dict(type='amd_mm.BlockMasking', min_size=1, aspect=aspect),
              RATIOS_OF_BLOCKS),
    st.builds(lambda blocks, area, aspect: dict(
        type='amd_mm.MultiBlockMasking', num_blocks=blocks, area=area, aspect=aspect),
        st.integers(1, 9), st.floats(.01, 1), RATIOS_OF_BLOCKS),
    st.builds(lambda reach: dict(type='amd_mm.MotionMasking', reach=reach), st.integers(1, 9)))


@given(size=st.tuples(st.integers(1, 4), SIDES, SIDES), strategy=STRATEGIES,
       decoder_strategy=STRATEGIES, ratios=st.lists(RATIOS, min_size=1, max_size=3),
       decoder_ratio=RATIOS, keys=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3))
def test_masks_part_the_tokens(size, strategy, decoder_strategy, ratios, decoder_ratio, keys):
    grid = TokenGrid(size, (2, 4, 6))
    student, *_ = sorted(ratios, reverse=True)
    masks = AsymmetricMaskGenerator(
        grid, strategy, student, ratios, decoder_ratio=decoder_ratio,
        decoder_strategy=decoder_strategy)
    attention = torch.rand(len(keys), grid.num_tokens)
    mask = masks(torch.tensor(keys), torch.randn(len(keys), 3, *grid.input_size), attention)
    places, repeats = masks.length, grid.num_tokens // masks.length
    visible, masked = places - int(student * places), int(student * places)
    assert masks.num_visible == visible * repeats == mask.visible.shape[1]
    assert mask.masked.shape[1] == masked * repeats
    assert mask.predicted.shape[1] == masked * repeats - int(decoder_ratio * masked * repeats)
    assert [extra.shape[1] for extra in mask.extras] == [
        repeats * (masked - int(ratio * places)) for ratio in ratios] == list(masks.num_extras)
    everything = torch.cat([mask.visible, mask.masked], 1).sort(1).values
    assert torch.equal(everything, torch.arange(grid.num_tokens).expand(len(keys), -1))
    for row in range(len(keys)):
        hidden = set(mask.masked[row].tolist())
        nested = sorted((set(extra[row].tolist()) for extra in mask.extras), key=len)
        assert set(mask.predicted[row].tolist()) <= hidden
        assert all(one <= other for one, other in zip(nested, [*nested[1:], hidden], strict=True))
