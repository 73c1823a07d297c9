"""Labels are looked at before the first step, once, where the data set does not do so itself."""
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from amd_mm.datasets.coco_check import require_sound
from amd_mm.datasets.labels import CocoFiles, check_labels, check_range
from amd_mm.datasets.mask_check import check_masks, has_masks
from amd_mm.registry import HOOKS


def in_one_process(check: Callable[[], object]) -> None:
    """Call ``check`` in the first process; a ValueError of it is raised in all."""
    errors: list[ValueError | None] = [None]
    if is_main_process():
        try:
            check()
        except ValueError as error:
            errors = [error]
    broadcast_object_list(errors)
    if errors[0] is not None:
        raise errors[0]


@HOOKS.register_module()
class LabelRangeHook(Hook):
    """Stops before training where a label does not fit the classifier or the segmentor.

    mmpretrain's and mmsegmentation's data sets take any number; an accelerator then ends with an
    assertion that names nothing. The video data sets of this package check their lists
    themselves.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at every label, or mask, of the training and validation data.

        Raises:
            ValueError: If one is negative or not below the number of classes; for masks see
                :func:`amd_mm.datasets.check_masks`.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        for name, loader in _loaders(runner).items():
            masks = has_masks(loader.dataset)
            check: Callable[..., object] = check_masks if masks else check_range
            head = model.decode_head if masks else model.head
            in_one_process(partial(check, loader.dataset, head.num_classes, f'{name} data'))


class ClassLabelsHook(Hook):
    """Compares data sets with their classes and with the disk before they are used, each once.

    Args:
        classes: Class names, label 0 first.
        boxes: Files in COCO's format, by the part (train, val, test) that reads them. mmdet
            passes over boxes that it cannot use, and over pictures that have no others.
    """

    def __init__(self, classes: Sequence[str],
                 boxes: Mapping[str, Sequence[CocoFiles]]) -> None:
        self.classes = classes
        self.boxes = boxes
        self._checked: set[str] = set()

    def passed(self, names: Sequence[str]) -> None:
        """Leave out parts (train, val, test) whose labels were looked at before."""
        self._checked.update(names)

    def before_train(self, runner: Runner) -> None:
        """Check training and validation data; only the former needs samples of every class.

        Raises:
            ValueError: See :func:`amd_mm.datasets.labels.check_labels`.
        """
        for name, loader in _loaders(runner).items():
            self._check(name, loader)

    def before_val(self, runner: Runner) -> None:
        """Check validation data, where no training has done so."""
        self._check('val', runner.val_dataloader)

    def before_test(self, runner: Runner) -> None:
        """Check test data."""
        self._check('test', runner.test_dataloader)

    def _check(self, name: str, loader: DataLoader) -> None:
        if name not in self._checked:
            self._checked.add(name)
            for files in self.boxes.get(name, ()):
                in_one_process(partial(require_sound, *files))
            # Masks need no pixel of every class; LabelRangeHook looks at all of them.
            if not has_masks(loader.dataset):
                in_one_process(partial(
                    check_labels, loader.dataset, self.classes, f'{name} data', name == 'train'))


def _loaders(runner: Runner) -> dict[str, DataLoader]:
    loaders = dict(train=runner.train_dataloader)
    if runner.val_loop is not None:
        loaders['val'] = runner.val_dataloader
    return loaders
