import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from runs import run, toy_config

from amd_mm.engine import WholeCheckpointHook, newest_whole, whole_file
from amd_mm.engine.hooks import whole_checkpoint_hook as hook_module


def config(work_dir: Path, max_epochs: int = 3, **hook) -> Config:
    return toy_config(work_dir, max_epochs=max_epochs, checkpoint=dict(
        type='amd_mm.WholeCheckpointHook', interval=1, **hook))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix in (
        '.pth', '.part'))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(whole_file, 'PAUSES', (0., 0.))


@pytest.mark.parametrize('background', [False, True])
def test_checkpoints_equal_those_of_mmengine(tmp_path, background):
    ours = config(tmp_path / 'ours', background=background, max_keep_ckpts=2)
    theirs = toy_config(tmp_path / 'theirs', max_epochs=3, checkpoint=dict(
        type='CheckpointHook', interval=1, max_keep_ckpts=2))
    run(ours)
    run(theirs)
    assert names(tmp_path / 'ours') == names(tmp_path / 'theirs') == ['epoch_2.pth', 'epoch_3.pth']
    assert (tmp_path / 'ours/last_checkpoint').read_text() == str(tmp_path / 'ours/epoch_3.pth')
    one, other = (torch.load(folder / 'epoch_2.pth', weights_only=True)
                  for folder in (tmp_path / 'ours', tmp_path / 'theirs'))
    assert one['param_schedulers'] == other['param_schedulers']
    torch.testing.assert_close(one['state_dict'], other['state_dict'], rtol=0, atol=0)
    torch.testing.assert_close(
        one['optimizer']['state'], other['optimizer']['state'], rtol=0, atol=0)
    assert one['message_hub']['runtime_info']['keep_ckpt_ids'] == [1, 2]
    assert set(one['message_hub']['runtime_info']) == set(other['message_hub']['runtime_info'])


def test_the_first_copy_needs_no_new_memory(tmp_path, monkeypatch):
    prepared = []
    prepare = whole_file.Copies.prepare

    def noted(copies, kinds):
        prepare(copies, kinds)
        prepared.extend(one.data_ptr() for some in copies._free.values() for one in some)

    monkeypatch.setattr(whole_file.Copies, 'prepare', noted)
    cfg = config(tmp_path, max_epochs=1, background=True)
    cfg.custom_hooks.append(dict(type='EMAHook'))
    runner = run(cfg)
    hook = next(hook for hook in runner.hooks if isinstance(hook, WholeCheckpointHook))
    used = [one.data_ptr() for some in hook._copies._free.values() for one in some
            if one.numel() > 1]
    # Of four weights themselves, their means and two moments.
    assert len(used) == 16 and set(used) <= set(prepared)


class Disk:
    """Lets the ``bad``-th and following of all calls of write, fsync and rename fail.

    Args:
        monkeypatch: Undoes it.
        code: The error of the system.
    """

    def __init__(self, monkeypatch, code: int) -> None:
        self.code, self.calls, self.bad, self.times = code, 0, None, 99
        for name in ('fsync', 'replace'):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))
        monkeypatch.setattr(whole_file, 'open', self.open, raising=False)

    def open(self, path: Path, mode: str):
        file = open(path, mode)
        return File(file, self.counted(file.write))

    def counted(self, call):
        def counting(*arguments):
            self.calls += 1
            if self.bad is not None and self.bad <= self.calls < self.bad + self.times:
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments)
        return counting


class File:
    def __init__(self, file, write) -> None:
        self.file, self.write = file, write

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name: str):
        return getattr(self.file, name)


def save(runner, step: int) -> None:
    hook = next(hook for hook in runner.hooks if isinstance(hook, WholeCheckpointHook))
    hook._save_checkpoint_with_step(runner, step, dict(epoch=step, iter=5 * step))
    hook.settle(runner)


@pytest.mark.parametrize('code', [
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.EIO])
@pytest.mark.parametrize('background', [False, True])
def test_whichever_call_fails_the_checkpoint_before_it_stays(
        tmp_path, monkeypatch, code, background):
    runner = run(config(tmp_path, max_epochs=1, background=background, max_keep_ckpts=1))
    before = (tmp_path / 'epoch_1.pth').read_bytes()
    infos = dict(runner.message_hub.runtime_info)
    disk = Disk(monkeypatch, code)
    number, named = 0, []
    while True:
        number += 1
        disk.bad, disk.calls = number, 0
        try:
            save(runner, 2)
        except OSError as error:
            assert os.strerror(code) in str(error) and f'are free in {tmp_path}' in str(error)
            assert f'The last whole checkpoint is {tmp_path}/epoch_1.pth' in str(error)
        else:
            break
        assert (tmp_path / 'epoch_1.pth').read_bytes() == before
        named.append(Path((tmp_path / 'last_checkpoint').read_text()).name)
        assert runner.message_hub.runtime_info == infos
        assert not list(tmp_path.glob('.*.part'))
        assert newest_whole(tmp_path) is not None
    # The last call is the fsync of the folder, when the pointer has its name already.
    assert set(named[:-1]) == {'epoch_1.pth'}
    # A few records, the file, its name and folder; the same of last_checkpoint.
    assert number > 10
    assert names(tmp_path) == ['epoch_2.pth']


def test_what_passes_is_tried_again(tmp_path, monkeypatch):
    runner = run(config(tmp_path, max_epochs=1))
    disk = Disk(monkeypatch, errno.ESTALE)
    disk.bad, disk.times = 5, 2
    save(runner, 2)
    assert newest_whole(tmp_path) == tmp_path / 'epoch_2.pth'
    disk.bad, disk.calls, disk.code = 5, 0, errno.ENOSPC
    with pytest.raises(OSError, match='Make room there'):
        save(runner, 3)


@pytest.mark.parametrize('background', [False, True])
def test_training_goes_on_without_only_when_asked_to(tmp_path, monkeypatch, background):
    original = whole_file._write_once

    def full(path, write):
        if path.name == 'epoch_2.pth':
            raise OSError(errno.ENOSPC, 'No space left on device')
        original(path, write)

    monkeypatch.setattr(whole_file, '_write_once', full)
    cfg = config(tmp_path / 'on', background=background, on_failure='go_on', max_keep_ckpts=1)
    run(cfg)
    assert names(tmp_path / 'on') == ['epoch_3.pth']
    log = next((tmp_path / 'on').glob('*/*.log')).read_text()
    assert 'epoch_2.pth: a checkpoint must be written whole' in log and 'goes on without' in log
    with pytest.raises(OSError, match='epoch_1.pth. Make room there'):
        run(config(tmp_path / 'stop', background=background, max_keep_ckpts=1))
    assert names(tmp_path / 'stop') == ['epoch_1.pth']
    assert Path(tmp_path / 'stop/last_checkpoint').read_text().endswith('epoch_1.pth')


def test_a_best_one_stays_until_a_better_one_is_whole(tmp_path, monkeypatch):
    runner = run(config(tmp_path, max_epochs=1, save_best='error', rule='less',
                        on_failure='go_on'))
    hook = next(hook for hook in runner.hooks if isinstance(hook, WholeCheckpointHook))
    hook.after_val_epoch(runner, dict(error=.5))
    assert names(tmp_path) == ['best_error_epoch_1.pth', 'epoch_1.pth']
    best = (tmp_path / 'best_error_epoch_1.pth').read_bytes()
    runner.train_loop._epoch = 2
    disk = Disk(monkeypatch, errno.ENOSPC)
    disk.bad = 5
    hook.after_val_epoch(runner, dict(error=.25))
    assert (tmp_path / 'best_error_epoch_1.pth').read_bytes() == best
    assert runner.message_hub.get_info('best_score') == .5
    disk.bad = None
    hook.after_val_epoch(runner, dict(error=.4))
    assert names(tmp_path) == ['best_error_epoch_2.pth', 'epoch_1.pth', 'epoch_2.pth']
    assert runner.message_hub.get_info('best_score') == .4


def test_misspelt_arguments_are_refused(tmp_path):
    with pytest.raises(TypeError, match='unexpected argument .max_keep_ckpt'):
        WholeCheckpointHook(max_keep_ckpt=1)
    with pytest.raises(ValueError, match='default_hooks.checkpoint.*max_keep_ckpt'):
        run(config(tmp_path, max_keep_ckpt=1))


def test_what_a_killed_run_left_is_cleared(tmp_path):
    (tmp_path / '.epoch_7.pth.part').write_bytes(b'half')
    run(config(tmp_path, max_epochs=1))
    assert not (tmp_path / '.epoch_7.pth.part').exists()


def test_a_disk_without_room_for_one_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(hook_module, 'free_bytes', lambda folder: 100)
    with pytest.raises(ValueError, match='must have room for one, but: A checkpoint takes about'):
        run(config(tmp_path))
    assert not names(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / 'small'
    folder.mkdir()
    if shutil.which('mount') is None or subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder],
            capture_output=True).returncode:
        pytest.skip('a small file system needs the right to mount one')
    yield folder
    subprocess.run(['umount', '-l', folder], check=True)


def test_a_disk_that_fills(small_disk, tmp_path):
    cfg = config(tmp_path / 'run', out_dir=str(small_disk))
    with pytest.raises(OSError, match='No space left on device.*are free in .*small/run'):
        cfg.train_cfg.max_epochs = 50
        run(cfg)
    last = Path((tmp_path / 'run/last_checkpoint').read_text())
    assert newest_whole(small_disk / 'run') == last
    assert len(names(small_disk / 'run')) == int(last.stem.removeprefix('epoch_'))
