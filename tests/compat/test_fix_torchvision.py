import pytest
import torch
import torchvision
from torchvision.extension import _has_ops
from torchvision.transforms import functional


def test_python_parts_work() -> None:
    assert functional.resize(torch.zeros(3, 8, 8), [4, 4]).shape == (3, 4, 4)


def test_operators_are_known_to_torch() -> None:
    assert 'dets' in str(torch.ops.torchvision.nms.default._schema)


def test_operators_that_do_not_load_say_so() -> None:
    boxes, scores = torch.tensor([[0., 0., 9., 9.]]), torch.tensor([1.])
    if _has_ops():
        assert torchvision.ops.nms(boxes, scores, 0.5).tolist() == [0]
    else:
        with pytest.raises(RuntimeError, match="Couldn't load custom C\\+\\+ ops"):
            torchvision.ops.nms(boxes, scores, 0.5)
