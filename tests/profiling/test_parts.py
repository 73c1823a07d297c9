from collections.abc import Iterator

import pytest
from teachers import two_teachers_config
from tiny_vits import pixels, pretraining

from amd_mm.profiling.parts import Parts
from amd_mm.registry import MODELS


@pytest.fixture
def ticks() -> Iterator[float]:
    """Each reading is one more than the last."""
    return iter(map(float, range(1000)))


def test_every_part_is_measured_apart(ticks):
    model = pretraining('video', amd=True)
    parts = Parts(lambda: next(ticks))
    with parts.watching(model):
        losses = parts.forward(lambda: model.loss(pixels('video')))
        with parts.part('backward'):
            sum(losses.values()).backward()
    # two readings a part, one unit between them; the whole takes 2 * 5 + 1 units
    assert parts.totals == dict(
        mask=1, teacher=1, student=1, generator=1, decoder=1, losses=6, backward=1)
    assert next(ticks) == 2 * 7


def test_several_teachers_are_one_part(ticks):
    model = MODELS.build(two_teachers_config())
    parts = Parts(lambda: next(ticks))
    with parts.watching(model):
        parts.forward(lambda: model.loss(pixels('video')))
    assert (parts.totals['teacher'], parts.totals['generator']) == (2, 2)
    assert not any('forward' in vars(part) for lesson in model.lessons
                   for part in (lesson.teacher, lesson.neck))


def test_the_model_is_left_as_it_was(ticks):
    model = pretraining('video')
    attributes = vars(model.decoder)
    own = attributes['forward'] = model.decoder.forward  # as a compiled one stands there
    with pytest.raises(RuntimeError), Parts(lambda: next(ticks)).watching(model):
        assert attributes['forward'] is not own and 'encode' in vars(model.backbone)
        raise RuntimeError
    assert attributes['forward'] is own
    assert 'encode' not in vars(model.backbone) and 'forward' not in vars(model.mask_generator)
