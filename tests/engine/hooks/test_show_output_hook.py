from runs import toy_config

from amd_mm.engine import ShowOutputHook, build_training_runner


def test_output_is_shown_once_when_the_first_batch_is_there(tmp_path):
    runner = build_training_runner(toy_config(tmp_path, max_epochs=1))
    shown = []
    runner.register_hook(ShowOutputHook(lambda: shown.append(
        (runner.iter, (tmp_path / 'loaded.txt').exists()))))
    runner.train()
    assert shown == [(0, True)]
