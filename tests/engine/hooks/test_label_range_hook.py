from types import SimpleNamespace

import pytest
from torch.utils.data import Dataset

from amd_mm.engine import LabelRangeHook


class Labels(Dataset):

    def __init__(self, *labels: int) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def get_data_info(self, index: int) -> dict:
        return dict(gt_label=self.labels[index])


def look(train: Labels, val: Labels | None) -> None:
    def loader(data: Labels | None) -> SimpleNamespace:
        return SimpleNamespace(dataset=data)
    LabelRangeHook().before_train(SimpleNamespace(
        model=SimpleNamespace(head=SimpleNamespace(num_classes=3)), train_dataloader=loader(train),
        val_loop=val, val_dataloader=loader(val)))


def test_labels_of_both_parts_are_looked_at():
    look(Labels(0, 2), None)
    look(Labels(0, 2), Labels(1))
    with pytest.raises(ValueError, match=r'train data: labels must be in \[0, 3\).* got 3'):
        look(Labels(0, 3), None)
    with pytest.raises(ValueError, match='val data: .* got -1'):
        look(Labels(0), Labels(-1))
