from mmengine.runner import Runner
from runs import run, toy_config

from amd_mm.console import Console
from amd_mm.engine import ConsoleHook, build_runner, build_training_runner


def test_the_header_comes_when_the_first_batch_is_there_and_an_end_after_the_last(
        tmp_path, capsys):
    with Console() as console:
        runner = build_training_runner(toy_config(tmp_path, size=4, max_epochs=2))
        runner.register_hook(ConsoleHook(console, ['2 loading processes instead of 8 (cores)']))
        start = console.start
        loaded = []
        console.start = lambda header: (
            loaded.append((runner.iter, (tmp_path / 'loaded.txt').exists())), start(header))
        runner.train()
    lines = capsys.readouterr().out.splitlines()
    assert loaded == [(0, True)]
    assert [line.split('  ')[0] for line in lines[:10]] == [
        'method', 'networks', 'data', 'batch', 'schedule', 'device', 'cost', 'changed', 'start',
        'work dir']
    assert 'changed   2 loading processes instead of 8 (cores)' in lines
    assert lines[10:] == [
        f'done: 4 updates, 2 epochs; checkpoints and logs are in {tmp_path}']


def test_bars_count_what_is_done_and_the_end_names_the_page(tmp_path, monkeypatch):
    steps, lines = [], []
    page = tmp_path / 'report/index.html'
    page.parent.mkdir()
    page.touch()
    with Console() as console:
        console.is_terminal = True
        monkeypatch.setattr(console, 'start', lambda header: None)
        monkeypatch.setattr(console, 'show', lines.append)
        monkeypatch.setattr(console, 'progress', lambda *step: steps.append(step))
        runner = build_training_runner(toy_config(tmp_path, size=4, max_epochs=2))
        runner.register_hook(ConsoleHook(console))
        runner.train()
    assert [step[:3] for step in steps] == [('training', done, 4) for done in range(5)]
    loss = runner.message_hub.get_scalar('train/loss').current()
    assert steps[-1][3].startswith(f'loss {loss:.4g}  lr ')
    assert lines[-1].endswith(f'logs are in {tmp_path}, pictures and what to type next in {page}')


def test_a_test_has_a_header_and_a_bar(tmp_path, capsys, monkeypatch):
    cfg = toy_config(tmp_path, max_epochs=1)
    run(cfg)
    cfg.load_from = str(tmp_path / 'epoch_1.pth')
    cfg.experiment_name += '_test'
    steps = []
    with Console() as console:
        runner: Runner = build_runner(cfg)
        runner.register_hook(ConsoleHook(console))
        monkeypatch.setattr(console, 'progress', lambda *step: steps.append(step))
        runner.test()
    assert steps == [('test', done, 3) for done in (1, 2, 3)]
    lines = capsys.readouterr().out.splitlines()
    assert 'model     ToyModel' in lines and f'weights   {cfg.load_from}' in lines
