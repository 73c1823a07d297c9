import pytest
import torch

from amd_mm.keys import view_keys
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.tokens import TokenGrid

IMAGE = TokenGrid((14, 14), (16, 16))
VIDEO = TokenGrid((8, 14, 14), (2, 16, 16))
KEYS = torch.tensor([0, 1, 2**62, 9, 2**63 - 1])




@pytest.mark.parametrize('grid, strategy, settings, counts', [
    # the numbers of the paper: 160, 232 (392 for the teacher) of 1568
    (VIDEO, 'tube', dict(student_ratio=0.9, teacher_ratio=0.75), (160, 232, 1408)),
    (IMAGE, 'random', dict(student_ratio=0.75, teacher_ratio=0.5), (49, 49, 147)),
    (IMAGE, 'random', dict(student_ratio=0.75), (49, 0, 147)),
    (IMAGE, 'random', dict(student_ratio=0.75, teacher_ratio=0.75), (49, 0, 147)),
    (IMAGE, 'random', dict(student_ratio=0.75, teacher_ratio=0.), (49, 147, 147)),
    (IMAGE, 'random', dict(student_visible=4), (4, 0, 192)),
    (IMAGE, 'random', dict(student_visible=10, teacher_visible=20), (10, 10, 186)),
    (VIDEO, 'random', dict(student_ratio=0.9), (157, 0, 1411)),
])
def test_masks_part_the_tokens(grid, strategy, settings, counts):
    generator = AsymmetricMaskGenerator(grid, strategy, **settings)
    mask = generator(KEYS)
    assert tuple(ids.shape[1] for ids in mask[:3]) == counts
    assert mask.predicted is mask.masked
    assert (generator.num_visible, generator.num_extra) == counts[:2]
    everything = torch.arange(grid.num_tokens).expand(len(KEYS), -1)
    assert torch.equal(torch.cat([mask.visible, mask.masked], 1).sort().values, everything)
    for extra, masked, visible, teacher in zip(mask.extra, mask.masked, mask.visible,
                                               mask.teacher_visible, strict=True):
        assert set(extra.tolist()) <= set(masked.tolist())
        assert teacher.tolist() == visible.tolist() + extra.tolist()
    assert all(torch.equal(ids, ids.sort().values) for ids in mask)


def test_tube_shows_the_same_places_in_every_frame():
    mask = AsymmetricMaskGenerator(VIDEO, 'tube', 0.9, 0.75)(KEYS)
    for ids in mask:
        frames = ids.reshape(len(KEYS), 8, -1)
        assert torch.equal(frames - frames[:, :1], (torch.arange(8) * 196).view(1, 8, 1)
                           .expand_as(frames))


def test_mask_is_a_function_of_its_key():
    generator = AsymmetricMaskGenerator(IMAGE, 'random', 0.75, 0.5)
    together = generator(KEYS)
    for number, key in enumerate(KEYS):
        alone = generator(key[None])
        assert all(torch.equal(a[0], b[number]) for a, b in zip(alone, together, strict=True))
    assert not torch.equal(together.visible[0], together.visible[1])


def test_decoder_can_be_spared_masked_tokens_and_the_rest_stays():
    everything = AsymmetricMaskGenerator(VIDEO, 'tube', 0.9, 0.75)(KEYS)
    mask = AsymmetricMaskGenerator(VIDEO, 'tube', 0.9, 0.75, decoder_ratio=0.5)(KEYS)
    assert all(torch.equal(a, b) for a, b in zip(mask[:3], everything[:3], strict=True))
    assert mask.predicted.shape == (len(KEYS), 704)
    assert torch.equal(mask.predicted, mask.predicted.sort().values)
    for predicted, masked in zip(mask.predicted.tolist(), mask.masked.tolist(), strict=True):
        assert len(set(predicted)) == 704 and set(predicted) <= set(masked)
    # The choice does not hang on what the teacher sees: half of that, too, is predicted.
    generator = AsymmetricMaskGenerator(IMAGE, 'random', 0.75, 0.5, decoder_ratio=0.5)
    mask = generator(torch.arange(4000))
    is_predicted = torch.zeros(4000, 196).scatter_(1, mask.predicted, 1.)
    shares = is_predicted.gather(1, mask.extra).mean(1)
    assert abs(shares.mean().item() - 74 / 147) < .005
    assert (is_predicted.mean(0) - 74 / 196).abs().max() < 4.5 * (.235 / 4000)**.5


@pytest.mark.parametrize('ratio', [-.1, 1.])
def test_decoder_ratio_must_leave_something(ratio):
    with pytest.raises(ValueError, match=r'decoder_ratio .* in \[0, 1\), got'):
        AsymmetricMaskGenerator(IMAGE, 'random', 0.75, decoder_ratio=ratio)


def test_every_token_is_as_likely():
    generator = AsymmetricMaskGenerator(IMAGE, 'random', 0.75, 0.5)
    mask = generator(torch.arange(4000))
    for ids, share in ((mask.visible, .25), (mask.extra, .25), (mask.masked, .75)):
        counts = torch.bincount(ids.flatten(), minlength=196) / 4000
        deviation = (share * (1 - share) / 4000)**.5
        assert (counts - share).abs().max() < 4.5 * deviation
    # and no two tokens go together: the covariance of a pair is that of drawing without return
    seen = torch.zeros(4000, 196).scatter_(1, mask.visible, 1.)
    covariance = torch.cov(seen.T) + .25 * .75 / 195
    covariance.fill_diagonal_(0)
    assert covariance.abs().max() < 6 * .25 * .75 / 4000**.5


def test_views_of_a_sample_get_masks_of_their_own():
    assert torch.equal(view_keys(KEYS, views=1), KEYS)
    keys = view_keys(KEYS, views=2)
    assert len(set(keys.tolist())) == 2 * len(KEYS)


@pytest.mark.parametrize('settings, words', [
    (dict(), 'give student_ratio or student_visible'),
    (dict(student_ratio=1.), r'student_ratio of .* in \[0, 1\), or None, got 1.0'),
    (dict(student_ratio=-.1), r'student_ratio of .* got -0.1'),
    (dict(student_ratio=.5, teacher_ratio=.75), 'at least what the student sees, 98 of 196'),
    (dict(student_ratio=.5, student_visible=9), 'exclude each other'),
    (dict(student_visible=0), 'student_visible of .* at least 1, or None, got 0'),
    (dict(student_visible=197), 'must see 1 to 196 tokens, got 197'),
    (dict(student_visible=196), 'must leave at least one of 196 tokens masked'),
    (dict(student_ratio=0.), 'must leave at least one of 196 tokens masked'),
])
def test_bad_masks_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        AsymmetricMaskGenerator(IMAGE, 'random', **settings)


def test_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="got 'blocks'"):
        AsymmetricMaskGenerator(IMAGE, 'blocks', 0.75)
