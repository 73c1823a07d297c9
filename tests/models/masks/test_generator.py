import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from amd_mm.keys import view_keys
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.tokens import TokenGrid

IMAGE = TokenGrid((14, 14), (16, 16))
VIDEO = TokenGrid((8, 14, 14), (2, 16, 16))
KEYS = torch.tensor([0, 1, 2**62, 9, 2**63 - 1])
# Of version 0.1 for the keys 0 and 2**63 - 1: a resumed run goes on with the masks it had.
GRID = TokenGrid((2, 3, 4), (2, 8, 8))
GOLDEN = [
    ('random', dict(student_visible=4, teacher_visible=9), dict(
        visible=[[12, 13, 15, 21], [0, 10, 20, 22]],
        extra=[[7, 11, 14, 17, 19], [1, 5, 8, 9, 16]],
        predicted=[[2, 5, 6, 10, 11, 14, 17, 18, 19, 20], [1, 3, 5, 6, 9, 11, 12, 14, 15, 21]])),
    ('tube', dict(student_visible=2, teacher_visible=5), dict(
        visible=[[7, 11, 19, 23], [0, 10, 12, 22]],
        extra=[[0, 3, 9, 12, 15, 21], [1, 5, 9, 13, 17, 21]],
        predicted=[[2, 5, 6, 12, 13, 14, 16, 17, 18, 20], [1, 3, 5, 6, 9, 11, 13, 15, 16, 21]])),
]

# One of each, for clips; those of pictures are all but the last two.
STRATEGIES = [
    'random', 'tube',
    dict(type='amd_mm.BlockMasking', min_size=2, aspect=(.5, 2)),
    dict(type='amd_mm.MultiBlockMasking', num_blocks=2, area=.5, aspect=(.75, 1.5)),
    dict(type='amd_mm.AttentionMasking'),
    dict(type='amd_mm.RunningCellMasking'),
    dict(type='amd_mm.MotionMasking', reach=4),
]


@pytest.mark.parametrize('strategy, settings, expected', GOLDEN)
def test_masks_stay_what_they_were(strategy, settings, expected):
    generator = AsymmetricMaskGenerator(GRID, strategy, **settings, decoder_ratio=.5)
    mask = generator(torch.tensor([0, 2**63 - 1]))
    assert {name: getattr(mask, name).tolist() for name in expected} == expected
    assert generator.num_predicted == mask.predicted.shape[1] == 10
    everything = torch.cat([mask.visible, mask.masked], 1).sort().values
    assert everything.tolist() == [list(range(24))] * 2


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
    assert all(torch.equal(ids, ids.sort().values) for ids in mask[:4])
    assert mask.extras == () and mask.seen_by(0) is mask


def test_tube_shows_the_same_places_in_every_frame():
    mask = AsymmetricMaskGenerator(VIDEO, 'tube', 0.9, 0.75)(KEYS)
    for ids in mask[:4]:
        frames = ids.reshape(len(KEYS), 8, -1)
        assert torch.equal(frames - frames[:, :1], (torch.arange(8) * 196).view(1, 8, 1)
                           .expand_as(frames))


def test_mask_is_a_function_of_its_key():
    generator = AsymmetricMaskGenerator(IMAGE, 'random', 0.75, 0.5)
    together = generator(KEYS)
    for number, key in enumerate(KEYS):
        alone = generator(key[None])
        assert all(torch.equal(one[0], many[number])
                   for one, many in zip(alone[:4], together[:4], strict=True))
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
    (dict(student_ratio=.5, teacher_ratio=[.25, .75]), 'at least what the student .* got 49'),
    (dict(student_ratio=.5, teacher_ratio=[]), 'teacher_ratio of .* got \\[\\]'),
    (dict(student_visible=9, teacher_visible=[9, 197]), r'see 1 to 196 tokens, got \[9, 197\]'),
    (dict(student_visible=9, teacher_visible=[9], teacher_ratio=[.5]), 'exclude each other'),
    (dict(student_ratio=0., teacher_ratio=.5), 'sees, 196 of 196 tokens, got 98'),
])
def test_bad_masks_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        AsymmetricMaskGenerator(IMAGE, 'random', **settings)


def test_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="got 'blocks'"):
        AsymmetricMaskGenerator(IMAGE, 'blocks', 0.75)


@pytest.mark.parametrize('strategy, settings, counts', [
    ('random', dict(student_ratio=.75, teacher_ratio=[.25, .75, 0.]), (98, 0, 147)),
    ('random', dict(student_visible=40, teacher_visible=(50, 60)), (10, 20)),
    ('random', dict(student_ratio=.5, teacher_ratio=[.25]), (49, )),
])
def test_teachers_see_nested_tokens_of_one_draw(strategy, settings, counts):
    generator = AsymmetricMaskGenerator(IMAGE, strategy, **settings)
    mask = generator(KEYS)
    assert generator.num_extras == counts and generator.num_extra == max(counts)
    assert tuple(extra.shape[1] for extra in mask.extras) == counts
    assert mask.extra is mask.extras[counts.index(max(counts))]
    for number, extra in enumerate(mask.extras):
        seen = mask.seen_by(number)
        assert seen.extra is extra and seen.extras == () and seen.visible is mask.visible
        # as if the teacher were alone
        name, = [name for name in settings if name.startswith('teacher')]
        alone = AsymmetricMaskGenerator(
            IMAGE, strategy, **{**settings, name: settings[name][number]})(KEYS)
        assert all(torch.equal(a, b) for a, b in zip(alone[:4], seen[:4], strict=True))


def test_a_student_can_see_everything():
    generator = AsymmetricMaskGenerator(VIDEO, 'tube', student_ratio=0)
    mask = generator(KEYS)
    assert torch.equal(mask.visible, torch.arange(1568).expand(len(KEYS), -1))
    assert (generator.num_visible, generator.num_extra) == (1568, 0)
    assert [ids.shape for ids in mask[1:4]] == [(5, 0)] * 3


@pytest.mark.parametrize('grid', [TokenGrid((4, 5), (4, 4)), TokenGrid((4, 4, 5), (2, 4, 4))])
@pytest.mark.parametrize('strategy', STRATEGIES, ids=lambda each: str(dict(type=each)))
@pytest.mark.parametrize('decoder_strategy', STRATEGIES, ids=lambda each: str(dict(type=each)))
def test_what_masks_promise_holds_for_every_strategy(grid, strategy, decoder_strategy):
    if not grid.is_video and not {str(strategy), str(decoder_strategy)}.isdisjoint(
            map(str, STRATEGIES[-2:])):
        return
    generator = AsymmetricMaskGenerator(
        grid, strategy, .8, [.5, .1], decoder_ratio=.5, decoder_strategy=decoder_strategy)
    given = dict(images=torch.randn(5, 3, *grid.input_size),
                 attention=torch.rand(5, grid.num_tokens).softmax(1))
    mask = generator(KEYS, **given)
    frames, total = grid.num_frames, grid.num_tokens
    assert (generator.num_visible, generator.num_extras) == (total // 5, tuple(
        3 * total // 10 + extra for extra in (0, 2 * total // 5)))
    assert mask.visible.shape == (5, total // 5) and mask.predicted.shape == (5, 2 * total // 5)
    assert torch.equal(torch.cat([mask.visible, mask.masked], 1).sort().values,
                       torch.arange(total).expand(5, -1))
    for row in range(5):
        sets = [set(ids[row].tolist()) for ids in (*mask.extras, mask.masked)]
        assert sets[0] <= sets[1] <= sets[2] and set(mask.predicted[row].tolist()) <= sets[2]
        assert mask.extras[1] is mask.extra
    for ids in (*mask[:4], *mask.extras):
        assert ids.dtype == torch.int64 and torch.equal(ids, ids.sort().values)
    if generator.strategy.per_frame:
        for ids in mask[:3]:
            counts = torch.bincount((ids // grid.per_frame).flatten(), minlength=frames)
            assert set(counts.tolist()) == {ids.numel() // frames}
    # What would go to the host could not be imagined.
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        imagined = generator(mode.from_tensor(KEYS), **{
            name: mode.from_tensor(value) for name, value in given.items()})
    assert [ids.shape for ids in imagined[:4]] == [ids.shape for ids in mask[:4]]
    # A function of the key and of what belongs to its sample, whatever else is in the batch.
    alone = generator(KEYS[3:4], **{name: value[3:4] for name, value in given.items()})
    assert all(torch.equal(one[0], many[3]) for one, many in zip(alone[:4], mask[:4], strict=True))
