import pytest
from mmengine.config import Config

from amd_mm.engine.schedules import check_schedules

WARM_UP = dict(type='LinearLR', end=10, convert_to_iter_based=True)


def config(*phases: dict, **train_cfg: int) -> Config:
    return Config(dict(train_cfg=train_cfg, param_scheduler=list(phases)))


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr('amd_mm.engine.schedules.print_log', lambda text, *_: said.append(text))
    return said


@pytest.mark.parametrize('cfg', [
    config(WARM_UP, dict(type='CosineAnnealingLR', begin=10), max_epochs=200),
    config(WARM_UP, dict(type='CosineAnnealingLR', begin=10, end=200), max_epochs=200),
    config(dict(type='LinearLR', by_epoch=False, end=5),
           dict(type='CosineAnnealingLR', by_epoch=False, begin=5), max_iters=10),
    Config(dict(train_cfg=dict(max_epochs=2), param_scheduler=None)),
])
def test_what_meets_is_silent(cfg, warnings):
    check_schedules(cfg)
    assert not warnings


def test_a_schedule_of_another_length_is_warned_about(warnings):
    check_schedules(config(WARM_UP, dict(type='CosineAnnealingLR', begin=10, end=200),
                           max_epochs=50))
    assert 'schedules end at epoch 200, but training at 50' in warnings[0]


def test_training_within_the_warm_up_is_refused():
    with pytest.raises(ValueError, match='2 epochs and CosineAnnealingLR from epoch 10 on'):
        check_schedules(config(WARM_UP, dict(type='CosineAnnealingLR', begin=10), max_epochs=2))


@pytest.mark.parametrize('max_epochs, is_said', [(19, True), (20, False)])
def test_a_training_that_is_a_warm_up_for_the_most_part_is_warned_about(
        warnings, max_epochs, is_said):
    check_schedules(config(WARM_UP, dict(type='CosineAnnealingLR', begin=10),
                           max_epochs=max_epochs))
    assert [text.startswith(f'The warm-up takes 10 of {max_epochs} epochs')
            for text in warnings] == [True] * is_said


def test_a_linear_decay_is_no_warm_up(warnings):
    check_schedules(config(dict(type='LinearLR', start_factor=1., end_factor=.1, end=10),
                           max_epochs=10))
    assert not warnings
