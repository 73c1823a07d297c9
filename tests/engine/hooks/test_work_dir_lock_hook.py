import pytest
from mmengine.config import Config
from runs import run, toy_config

from amd_mm.engine import WorkDirLock, build_runner
from amd_mm.engine.hooks import WorkDirLockHook


def config(work_dir, **model) -> Config:
    cfg = toy_config(work_dir, model=model)
    cfg.custom_hooks.append(dict(type='amd_mm.WorkDirLockHook'))
    return cfg


def test_a_run_gives_it_back_and_one_that_failed_may_be_repeated(tmp_path):
    with pytest.raises(FloatingPointError):
        run(config(tmp_path, bad_at=2))
    assert (tmp_path / '.lock').is_file()
    run(config(tmp_path))
    assert not (tmp_path / '.lock').exists()


def test_testing_needs_no_lock(tmp_path, monkeypatch):
    monkeypatch.setattr(WorkDirLock, 'acquire', lambda self: pytest.fail('locked'))
    runner = build_runner(config(tmp_path))
    assert any(isinstance(hook, WorkDirLockHook) for hook in runner.hooks)
    runner.test()
