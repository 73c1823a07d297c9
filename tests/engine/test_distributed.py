import pytest
import torch
from mmengine.config import Config
from runs import recorded, run, run_processes, toy_config, weights

from amd_mm.engine import prepare_start


@pytest.mark.slow
def test_two_processes_equal_one_with_the_same_global_batch(tmp_path):
    def config(name: str, dtype: str, **kwargs) -> Config:
        # Plain SGD: AdamW makes rounding large where a gradient is nearly zero.
        cfg = toy_config(tmp_path / name, size=11, max_epochs=2, model=dict(dtype=dtype),
                         optimizer=dict(type='SGD', lr=0.1), **kwargs)
        return cfg

    alone = {dtype: config(f'alone_{dtype}', dtype, batch_size=4)
             for dtype in ('float64', 'float32')}
    shared = {dtype: config(f'shared_{dtype}', dtype, batch_size=2) for dtype in alone}
    for cfg in alone.values():
        run(cfg)
    run_processes(2, *shared.values())
    for dtype in alone:
        one, two = recorded(alone[dtype]), recorded(shared[dtype])
        assert len(one) == len(two) == 4
        for expected, found in zip(one, two, strict=True):
            assert expected['keys'] == found['keys']
            assert expected['losses'] == pytest.approx(found['losses'], rel=1e-6)

    accumulated = config('accumulated', 'float64', batch_size=2, accumulative_counts=2)
    run(accumulated)
    for other in (shared['float64'], accumulated):
        torch.testing.assert_close(
            weights(other, 'epoch_2.pth'), weights(alone['float64'], 'epoch_2.pth'),
            rtol=0, atol=1e-9)


@pytest.mark.slow
def test_a_bad_loss_in_one_process_stops_all(tmp_path):
    # The seventh call is the first iteration of epoch 2 in each process.
    cfg = toy_config(tmp_path, size=24, model=dict(bad_at=7, bad_rank=1),
                     checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=False,
                                     max_keep_ckpts=1))
    with pytest.raises(RuntimeError, match='FloatingPointError'):
        run_processes(2, cfg)
    kept = [path.name for path in tmp_path.glob('*.pth')]
    assert kept == ['iter_6.pth']
    assert all(torch.isfinite(value).all() for value in weights(cfg, kept[0]).values())


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_written_ends_all_processes_with_the_message(tmp_path):
    # A folder in the place of what would be written; root may write anywhere else.
    cfg = toy_config(tmp_path, size=24, checkpoint=dict(
        type='amd_mm.WholeCheckpointHook', interval=1, background=True))
    cfg.custom_hooks.append(dict(type='amd_mm.WorkDirLockHook'))
    cfg.custom_hooks.append(dict(type='BlockHook', name='.epoch_2.pth.part'))
    with pytest.raises(RuntimeError) as caught:
        run_processes(2, cfg)
    said = 'epoch_2.pth: a checkpoint must be written whole, but: Is a directory'
    assert str(caught.value).count(f'OSError: {tmp_path}/{said}') == 2
    assert (tmp_path / 'last_checkpoint').read_text() == f'{tmp_path}/epoch_1.pth'
    assert not (tmp_path / 'epoch_2.pth').exists()

    (tmp_path / '.epoch_2.pth.part').rmdir()
    cfg.custom_hooks.pop()
    prepare_start(cfg, 'auto', overwrite=False)
    assert cfg.load_from == f'{tmp_path}/epoch_1.pth'
    run_processes(2, cfg)
    whole = toy_config(tmp_path / 'whole', size=24)
    run_processes(2, whole)
    torch.testing.assert_close(
        weights(cfg, 'epoch_2.pth'), weights(whole, 'epoch_2.pth'), rtol=0, atol=0)
    assert not (tmp_path / '.lock').exists()
