from pathlib import Path

import pytest
import torch
from runs import run, toy_config, weights


@pytest.mark.parametrize('by_epoch, interval, last', [(False, 1, 'iter_6.pth'),
                                                      (True, 1, 'epoch_1.pth')])
@pytest.mark.parametrize('bad_value, message', [
    ('nan', 'loss_dir = nan. Nothing'),
    ('inf', 'loss_dir = inf. Nothing'),
    ('infinite gradient', 'the weights hold NaN or infinity'),
])
def test_a_bad_iteration_stops_the_run_and_the_last_good_checkpoint_stays(
        tmp_path, by_epoch, interval, last, bad_value, message):
    # The bad iteration is the seventh, the second one of epoch 2. One checkpoint is kept:
    # writing the next one would delete the last.
    cfg = toy_config(
        tmp_path, max_epochs=3, model=dict(bad_at=7, bad_value=bad_value),
        checkpoint=dict(type='CheckpointHook', interval=interval, by_epoch=by_epoch,
                        max_keep_ckpts=1))
    with pytest.raises(FloatingPointError) as error:
        run(cfg)
    text = str(error.value)
    assert 'at iteration 7 (epoch 2)' in text
    assert message in text
    assert str(tmp_path / last) in text
    assert [path.name for path in Path(cfg.work_dir).glob('*.pth')] == [last]
    assert all(torch.isfinite(value).all() for value in weights(cfg, last).values())


def test_without_a_checkpoint_the_message_says_so(tmp_path):
    cfg = toy_config(tmp_path, model=dict(bad_at=1))
    with pytest.raises(FloatingPointError, match='No checkpoint was saved yet'):
        run(cfg)
