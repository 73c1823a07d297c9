"""Checkpoints that are whole or not there, and what happens when a disk refuses."""
import copy
import errno
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mmengine.runner.checkpoint
import mmengine.runner.runner
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import BaseStorageBackend, LocalBackend
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from amd_mm.compat.rebind import replaced
from amd_mm.engine.whole_file import (
    Copies,
    bytes_in,
    free_bytes,
    kinds_of,
    remove_parts,
    save_whole,
    shown_bytes,
    write_whole,
)
from amd_mm.registry import HOOKS
from amd_mm.values import FLAG, one_of, takes

# Of MMEngine's hook: what it has counted.
_COUNTED = ('last_ckpt', 'keep_ckpt_ids', 'best_ckpt_path', 'best_ckpt_path_dict')
# Its messages to later runs, and its own attributes.
_State = tuple[dict[str, Any], dict[str, Any]]
_REMEDIES = {
    errno.ENOSPC: 'Make room there, or lower max_keep_ckpts',
    errno.EDQUOT: 'Make room within your quota, or ask for more',
    errno.EROFS: 'Have it mounted for writing', errno.EACCES: 'Have its permissions changed',
    errno.ENOENT: 'See why the folder has gone', errno.ESTALE: 'Have it mounted again'}


class _LateRemoval:
    """A file backend that only notes what is to be removed."""

    def __init__(self, backend: BaseStorageBackend) -> None:
        self._backend = backend
        self.noted: list[Callable[[], None]] = []

    def remove(self, path: str) -> None:
        self.noted.append(lambda: self._backend.remove(path))

    def rmtree(self, path: str) -> None:
        self.noted.append(lambda: self._backend.rmtree(path))

    def taken(self) -> list[Callable[[], None]]:
        """What was noted; forgotten here."""
        noted, self.noted = self.noted, []
        return noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, whose files are whole or not there.

    A checkpoint is written under another name, forced to the disk and then renamed; only then
    ``last_checkpoint`` names it and an older or less good one is removed (MMEngine removes first,
    and writes over what is there). So a disk needs room for one more than are kept. A failed
    write changes nothing: the checkpoints before it stay, and count as before. Errors that may
    pass (EIO, ESTALE and the like) are tried twice again.

    A checkpoint folder that is no local one is written by MMEngine's file backend, as ever.

    Args:
        background: Write in a thread, from a copy in memory that is kept for the next one:
            training waits for the copy only. The thread gets the memory after the first update.
            A failure is reported at the next iteration, the
            next checkpoint or the end.
        on_failure: ``'stop'`` ends the run where a checkpoint could not be written;
            ``'go_on'`` logs it and trains on without.
        kwargs: Those of MMEngine's CheckpointHook.

    Raises:
        TypeError: If MMEngine's hook has no such argument.
    """

    @takes(background=FLAG, on_failure=one_of('stop', 'go_on'))
    def __init__(self, background: bool = False, on_failure: str = 'stop', **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.args:
            # MMEngine keeps them, and fails at the first checkpoint.
            raise TypeError(f'CheckpointHook got an unexpected argument {next(iter(self.args))!r}')
        self.background = background
        self.on_failure = on_failure
        self._thread = ThreadPoolExecutor(1, 'checkpoint') if background else None
        self._copies = Copies()
        self._prepared: Future | None = None
        self._jobs: list[Callable[[], None]] = []
        self._is_saving = False
        self._pending: tuple[Future, _State] | None = None
        # While writing: the file, and its bytes.
        self._writing: tuple[Path, int] = Path(), 0

    def before_train(self, runner: Runner) -> None:
        """Clear what a killed run left half-written, and compare what is needed with what is free.

        Raises:
            ValueError: If not even one checkpoint has room, unless ``on_failure='go_on'``.
        """
        super().before_train(runner)
        backend: BaseStorageBackend = self.file_backend  # type: ignore[has-type]
        self._is_local = isinstance(backend, LocalBackend)
        self.file_backend = _LateRemoval(backend)
        if self._is_local and is_main_process():
            folder = Path(self.out_dir)
            folder.mkdir(parents=True, exist_ok=True)
            remove_parts(folder)
            remove_parts(Path(runner.work_dir))
            self._check_room(runner, folder)

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Look after the write in the background, and save as MMEngine's hook does.

        Raises:
            OSError: If it failed, unless ``on_failure='go_on'``.
        """
        if self._pending and self.on_failure == 'stop' and self._pending[0].done() and (
                failure := self._pending[0].result()):
            raise OSError(self._message(failure, self._pending[1])) from failure
        if self._thread and self._prepared is None:
            # Now that the optimizer has its state.
            kinds = kinds_of(self._content(runner)) if is_main_process() else []
            self._prepared = self._thread.submit(self._copies.prepare, kinds)
        super().after_train_iter(runner, *args, **kwargs)

    def after_train(self, runner: Runner) -> None:
        """Wait for the write in the background."""
        self.settle(runner)
        super().after_train(runner)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """As MMEngine's, in another order."""
        with self._saving(runner):
            if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
                if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                    self._discard(self.filename_tmpl.format(self.keep_ckpt_ids.popleft()))
                self.keep_ckpt_ids.append(step)
                runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
            name = self.filename_tmpl.format(step)
            self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
            runner.message_hub.update_info('last_ckpt', self.last_ckpt)
            runner.save_checkpoint(
                self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler, meta=meta,
                by_epoch=self.by_epoch, backend_args=self.backend_args)
            if is_main_process():
                self._jobs.append(partial(
                    _point, Path(runner.work_dir, 'last_checkpoint'), self.last_ckpt))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """As MMEngine's; the best one so far stays until the new one is whole."""
        if self.save_best:
            with self._saving(runner):
                super()._save_best_checkpoint(runner, metrics)

    def _content(self, runner: Runner) -> list:
        """What takes the most of a checkpoint."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        averages = [hook.ema_model.state_dict() for hook in runner.hooks
                    if isinstance(hook, EMAHook)]
        return [model.state_dict(), *averages,
                runner.optim_wrapper.state_dict() if self.save_optimizer else None]

    def _discard(self, name: str) -> None:
        path = self.file_backend.join_path(self.out_dir, name)
        if is_main_process() and self.file_backend.isfile(path):
            self.file_backend.remove(path)

    @contextmanager
    def _saving(self, runner: Runner) -> Iterator[None]:
        """All that is saved at one moment: it succeeds, or is as if it had not been tried."""
        if self._is_saving:
            yield
            return
        self.settle(runner)
        before = self._state(runner)
        self._jobs, self._is_saving = [], True
        failure = None
        try:
            with ExitStack() as stack:
                if self._is_local:
                    for module in (mmengine.runner.runner, mmengine.runner.checkpoint):
                        stack.enter_context(replaced(module, 'save_checkpoint', self._take))
                yield
        except OSError as error:  # of a file backend
            failure = error
        finally:
            self._is_saving = False
        # What is to be removed comes last.
        jobs = [] if failure else self._jobs + self.file_backend.taken()
        if self._thread is None or failure:
            result: Future = Future()
            result.set_result(failure or _do(jobs))
        else:
            result = self._thread.submit(_do, jobs)
        self._pending = result, before
        if self._thread is None:
            self.settle(runner)

    def _take(self, checkpoint: dict, filename: str, **_: Any) -> None:
        """In the place of MMEngine's ``save_checkpoint``."""
        if is_main_process():
            if self._prepared is not None:
                self._prepared.result()
            content = self._copies.of(checkpoint) if self.background else checkpoint
            self._jobs.append(partial(self._write, content, Path(filename)))

    def _write(self, content: dict, path: Path) -> None:
        self._writing = path, bytes_in(content)
        save_whole(content, path)

    def settle(self, runner: Runner) -> None:
        """Wait for what is being written; all processes have to, and learn of a failure.

        Raises:
            OSError: If it failed, unless ``on_failure='go_on'``.
        """
        if self._pending is None:
            return
        (result, before), self._pending = self._pending, None
        failure = result.result()
        self._copies.free()
        said = [failure and self._message(failure, before)]
        broadcast_object_list(said)
        if said[0] is None:
            return
        self._restore(runner, before)
        if self.on_failure == 'stop':
            raise OSError(said[0]) from failure
        runner.logger.error(f"{said[0]} Training goes on without (on_failure='go_on').")

    def _state(self, runner: Runner) -> _State:
        """What a failed write must leave as it was: of the messages, and of this hook."""
        infos = {name: value for name, value in runner.message_hub.runtime_info.items()
                 if name in ('last_ckpt', 'keep_ckpt_ids') or name.startswith('best_')}
        return copy.deepcopy(infos), {
            name: copy.copy(vars(self)[name]) for name in _COUNTED if name in vars(self)}

    def _restore(self, runner: Runner, before: _State) -> None:
        for name in self._state(runner)[0]:
            runner.message_hub.pop_info(name)
        for name, value in before[0].items():
            runner.message_hub.update_info(name, value)
        self.__dict__.update(before[1])

    def _message(self, failure: OSError, before: _State) -> str:
        path, size = self._writing
        last = before[0].get('last_ckpt')
        kept = f'The last whole checkpoint is {last}' if last else 'No checkpoint is there yet'
        remedy = _REMEDIES.get(failure.errno or 0, 'Look after the file system')
        return (f'{path}: a checkpoint must be written whole, but: {failure.strerror or failure}. '
                f'It takes {shown_bytes(size)}, beside those that are there; '
                f'{shown_bytes(free_bytes(path.parent))} are free in {path.parent}. {kept}. '
                f'{remedy}, then go on with --resume.')

    def _check_room(self, runner: Runner, folder: Path) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        weights = bytes_in(model.state_dict())
        size = weights + (_optimizer_bytes(runner.optim_wrapper) if self.save_optimizer else 0)
        best = weights * len(self.save_best or ())
        there = sum(path.stat().st_size for path in folder.glob('*.pth'))
        free = free_bytes(folder)
        if self.max_keep_ckpts > 0:
            # One more while it is written, before the oldest goes.
            needed = (self.max_keep_ckpts + 1) * size + 2 * best
            many = f'{self.max_keep_ckpts} and one more while it is written'
        else:
            needed, many = size + 2 * best, 'all are kept: max_keep_ckpts is not set'
        said = (f'A checkpoint takes about {shown_bytes(size)} ({many}'
                f'{", and the best ones" if best else ""}: {shown_bytes(needed)}); '
                f'{shown_bytes(free)} are free in {folder}, {shown_bytes(there)} of it are '
                'checkpoints already')
        if free is not None and free < size and self.on_failure == 'stop':
            raise ValueError(
                f'the folder of checkpoints must have room for one, but: {said}. Make room, lower '
                "max_keep_ckpts, take another --work-dir, or set on_failure='go_on' of the hook")
        if free is not None and free + there < needed:
            runner.logger.warning(f'{said}. Training will stop when the disk is full.')
        else:
            runner.logger.info(f'{said}.')


def _do(jobs: list[Callable[[], None]]) -> OSError | None:
    """Do one after the other; the error of the first that fails."""
    try:
        for job in jobs:
            job()
    except OSError as error:
        return error
    return None


def _point(pointer: Path, checkpoint: str) -> None:
    write_whole(pointer, lambda file: file.write(checkpoint.encode()))


def _optimizer_bytes(optim_wrapper: Any) -> int:
    """Of moments: two of Adam's kind, one of momentum."""
    groups = [group for group in optim_wrapper.param_groups] if hasattr(
        optim_wrapper, 'param_groups') else []
    return sum(
        weight.numel() * weight.element_size() * (2 if 'betas' in group else
                                                  1 if group.get('momentum') else 0)
        for group in groups for weight in group['params'])
