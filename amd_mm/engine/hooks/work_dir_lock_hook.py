"""One run a work dir."""
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from amd_mm.engine.work_dir_lock import WorkDirLock
from amd_mm.registry import HOOKS


@HOOKS.register_module()
class WorkDirLockHook(Hook):
    """Keeps a second run out of the work dir while this one trains; testing needs no lock.

    The first process holds :class:`~amd_mm.engine.WorkDirLock` for all.
    """

    # Before whatever writes or removes.
    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Take the lock.

        Raises:
            ValueError: If another run has it.
        """
        if is_main_process():
            WorkDirLock(runner.work_dir).acquire()

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        """Stop where another run has taken over.

        Raises:
            ValueError: If it has.
        """
        WorkDirLock(runner.work_dir).require_held()

    def after_run(self, runner: Runner) -> None:
        """Give the lock back, when the last checkpoint is written."""
        WorkDirLock(runner.work_dir).release()
