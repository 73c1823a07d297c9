import pytest
from runs import run, run_processes, toy_config


@pytest.mark.slow
@pytest.mark.parametrize('processes', [1, 2])
def test_rates_of_parts_that_are_not_there_stop_a_run_before_its_first_step(tmp_path, processes):
    cfg = toy_config(tmp_path)
    cfg.optim_wrapper.paramwise_cfg = dict(custom_keys=dict(nowhere=dict(lr_mult=0.)))
    error, start = (ValueError, run) if processes == 1 else (
        RuntimeError, lambda cfg: run_processes(processes, cfg))
    with pytest.raises(error, match="part of the name of a weight, got 'nowhere'; name a part"):
        start(cfg)
    assert not list(tmp_path.glob('record_*.jsonl')) and not list(tmp_path.glob('*.pth'))
