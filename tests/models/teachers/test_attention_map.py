import pytest
import torch
import torch.nn.functional as F

from amd_mm.models.teachers.attention_map import LastAttention


@pytest.mark.parametrize('class_token', [True, False])
@pytest.mark.parametrize('scale', [None, .3])
@pytest.mark.parametrize('biased', [True, False])
def test_is_what_the_last_call_weighed_values_with(class_token, scale, biased):
    queries, keys = torch.randn(2, 2, 3, 5, 4).unbind(0)
    bias = torch.randn(1, 3, 5, 5) if biased else None
    with LastAttention() as last:
        F.scaled_dot_product_attention(keys, queries, queries)
        weights = F.scaled_dot_product_attention(
            queries, keys, torch.eye(5).expand(2, 3, -1, -1), attn_mask=bias, scale=scale)
    weights = weights.mean(1)
    expected = weights[:, 0, 2:] if class_token else weights[:, :, 2:].mean(1)
    torch.testing.assert_close(last.received(3, class_token), expected)


def test_numbers_by_hand():
    queries = torch.tensor([[[[1., 0], [0, 1]]]])
    keys = torch.tensor([[[[2., 0], [0, 0]]]])
    with LastAttention() as last:
        F.scaled_dot_product_attention(queries, keys, keys, scale=1.)
    first = torch.tensor([2., 0]).exp() / (torch.tensor([2., 0]).exp().sum())
    torch.testing.assert_close(last.received(2, True)[0], first)
    torch.testing.assert_close(last.received(2, False)[0], (first + .5) / 2)


def test_attention_that_is_not_torchs_cannot_be_read():
    with LastAttention() as last:
        torch.randn(2, 2) @ torch.randn(2, 2)
    with pytest.raises(ValueError, match='cannot be read: .* leave TIMM_FUSED_ATTN unset'):
        last.received(2, True)
