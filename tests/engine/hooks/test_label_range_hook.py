from types import SimpleNamespace

import nuclei
import pytest
from torch.utils.data import Dataset

from amd_mm.datasets import MaskDataset
from amd_mm.engine import LabelRangeHook
from amd_mm.engine.hooks.label_range_hook import ClassLabelsHook


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


@pytest.mark.parametrize('error', [None, ValueError('in the first process')])
def test_other_processes_look_at_nothing_and_stop_as_the_first_does(error, monkeypatch):
    module = 'amd_mm.engine.hooks.label_range_hook'
    monkeypatch.setattr(f'{module}.is_main_process', lambda: False)
    monkeypatch.setattr(f'{module}.broadcast_object_list',
                        lambda values: values.__setitem__(0, error))
    if error is None:
        look(Labels(0, 7), None)  # that it is out of range is for another to see
    else:
        with pytest.raises(ValueError, match='in the first process'):
            look(Labels(0, 2), None)


def test_classes_are_checked_once_wherever_a_run_begins(monkeypatch):
    seen = []
    monkeypatch.setattr('amd_mm.engine.hooks.label_range_hook.check_labels',
                        lambda dataset, classes, name, need_all: seen.append((name, need_all)))
    loader = SimpleNamespace(dataset=Labels(0))
    runner = SimpleNamespace(train_dataloader=loader, val_dataloader=loader,
                             test_dataloader=loader, val_loop=object())
    hook = ClassLabelsHook(('x', 'y'), {})
    hook.before_train(runner)
    hook.before_val(runner)
    assert seen == [('train data', True), ('val data', False)]
    hook.before_test(runner)
    hook.before_test(runner)
    assert seen[2:] == [('test data', False)]


def test_masks_are_read_where_the_samples_have_some(tmp_path):
    root = nuclei.make_own(tmp_path)
    data = MaskDataset(str(root), dict(img_path='train/pictures', seg_map_path='train/masks'),
                       dict(classes=nuclei.CLASSES))

    def run(num_classes: int) -> None:
        LabelRangeHook().before_train(SimpleNamespace(
            model=SimpleNamespace(decode_head=SimpleNamespace(num_classes=num_classes)),
            train_dataloader=SimpleNamespace(dataset=data), val_loop=None))
    run(2)
    with pytest.raises(ValueError, match=r'train data: .*\n  4 masks have labels of no class'):
        run(1)
    # Labels of a sample are none of these.
    ClassLabelsHook(nuclei.CLASSES, {}).before_test(
        SimpleNamespace(test_dataloader=SimpleNamespace(dataset=data)))
