from types import SimpleNamespace

import amd_mm.engine.hooks.collective_limit_hook as module
from amd_mm.engine import CollectiveLimitHook


def test_the_first_update_alone_may_take_longer(monkeypatch):
    limited = []
    monkeypatch.setattr(module, 'limit_collectives', limited.append)
    hook, runner = CollectiveLimitHook(), SimpleNamespace(cfg='a config')
    hook.before_train(runner)
    assert limited == []
    for iteration in range(3):
        hook.after_train_iter(runner, iteration)
    assert limited == ['a config']
