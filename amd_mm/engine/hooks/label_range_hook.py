"""Labels are looked at before the first step, where the data set does not do so itself."""
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from amd_mm.datasets.labels import check_range
from amd_mm.registry import HOOKS


@HOOKS.register_module()
class LabelRangeHook(Hook):
    """Stops before training where a label does not fit the classifier.

    mmpretrain's data sets take any number; an accelerator then ends with an assertion that
    names nothing. The video data sets of this package check their lists themselves.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at every label of the training and validation data.

        Raises:
            ValueError: If one is negative or not below the number of classes.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        loaders = dict(train=runner.train_dataloader)
        if runner.val_loop is not None:
            loaders['val'] = runner.val_dataloader
        for name, loader in loaders.items():
            check_range(loader.dataset, model.head.num_classes, f'{name} data')
