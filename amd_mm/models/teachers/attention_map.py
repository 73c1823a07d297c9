"""What a network looks at in its last block, whichever library it is of."""
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class LastAttention(TorchFunctionMode):
    """While it is entered, keeps what torch's fused attention was last given.

    Encoders of ours, timm's and Transformers' all end there, with their norms, rotary positions and
    biases applied.
    """

    _last: tuple[Tensor, Tensor, Tensor | None, float] | None = None

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (),
                           kwargs: dict | None = None) -> Any:
        """As torch's modes have it."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            queries, keys = args[:2]
            scale = kwargs.get('scale')
            self._last = (queries, keys, kwargs.get('attn_mask'),
                          queries.shape[-1]**-.5 if scale is None else scale)
        return func(*args, **kwargs)

    def received(self, count: int, class_token: bool) -> Tensor:
        """Attention that the last ``count`` tokens get, mean over heads.

        Args:
            count: Tokens of patches, K, which come last.
            class_token: Whether the first token is one, whose attention it then is; else the mean
                over all tokens.

        Returns:
            (B, K) float32.

        Raises:
            ValueError: If there was none.
        """
        if self._last is None:
            raise ValueError(
                "The attention of this teacher cannot be read: it has to be computed by torch's "
                'fused attention, and none was. For timm leave TIMM_FUSED_ATTN unset; for '
                "Transformers set attn_implementation='sdpa'.")
        queries, keys, bias, scale = self._last
        asked = slice(0, 1 if class_token else None)
        if bias is not None:
            bias = bias.expand(-1, queries.shape[1], -1, -1)
        total = queries.new_zeros(len(queries), count, dtype=torch.float32)
        # Head by head: all at once would be N x N numbers of each.
        for head in range(queries.shape[1]):
            logits = queries[:, head, asked].float() @ keys[:, head].float().transpose(1, 2) * scale
            if bias is not None:
                logits = logits + bias[:, head, asked]
            total += logits.softmax(-1).mean(1)[:, -count:]
        return total / queries.shape[1]
