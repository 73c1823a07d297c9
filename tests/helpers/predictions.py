"""What a test run predicted, counted apart from the hosts' metrics."""
from mmengine.hooks import Hook


class Predictions(Hook):
    """Counts the samples of a test run whose label got the largest score."""

    def __init__(self) -> None:
        self.right: list[bool] = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=()) -> None:
        self.right += [int(sample.pred_score.argmax()) == int(sample.gt_label)
                       for sample in outputs]

    @property
    def top1(self) -> float:
        """The share of the samples."""
        return sum(self.right) / len(self.right)
