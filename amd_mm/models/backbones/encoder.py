"""What an encoder is, for everything that asks one."""
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from mmengine.model import ModuleList
from torch import Tensor, nn

from amd_mm.checkpoints.loading import LoadableEncoder
from amd_mm.models.blocks import Projections
from amd_mm.tokens import TokenGrid


@runtime_checkable
class Encoder(LoadableEncoder, Protocol):
    """A transformer that can encode only the tokens it may see.

    Student, teacher, features and exports ask nothing else of it. To add one: a subclass of a
    host's backbone with these members, in ``amd_mm/models/backbones``. (What checkpoints ask:
    :class:`~amd_mm.checkpoints.loading.LoadableEncoder`.)

    Attributes:
        num_prefix_tokens: Tokens before those of patches: 1 for a class token.
        grid: How an input is cut into tokens.
        embed_dims: Width D.
    """

    num_prefix_tokens: ClassVar[int]
    grid: TokenGrid
    embed_dims: int

    @property
    def depth(self) -> int:
        """Number of blocks."""

    @property
    def blocks(self) -> ModuleList:
        """The blocks, in order."""

    @property
    def final_norm_layer(self) -> nn.Module | None:
        """The norm after the last block; None: there is none."""

    @property
    def pooling_norm(self) -> nn.Module | None:
        """The norm after mean pooling, which only fine-tuning trains; or None."""

    def __call__(self, x: Tensor) -> Any:
        """The host's forward: of all tokens, in the form that its heads take."""
        ...

    def init_weights(self) -> None:
        """Set the initial weights, or load those that the config names."""
        ...

    def encode(self, x: Tensor, token_ids: Tensor,
               taps: Sequence[int] = ()) -> tuple[Tensor, list[Tensor]]:
        """Encode some tokens only; the others cost nothing, not even embedding.

        Args:
            x: (B, C, (T,) H, W), normalised.
            token_ids: (B, V) int64, the tokens to see.
            taps: Blocks, counted from 1, whose raw outputs are wanted.

        Returns:
            Latent (B, prefix + V, D), after the final norm where there is one, and a list of
            (B, prefix + V, D) features, one a tap.
        """
        ...

    def project(self, x: Tensor, token_ids: Tensor, tap: int) -> Projections:
        """Queries, keys and values of a block; nothing behind them is computed.

        Args:
            x: As in :meth:`encode`.
            token_ids: As in :meth:`encode`.
            tap: The block, counted from 1.

        Returns:
            (B, prefix + V, heads, D / heads) each.
        """
        ...

    def freeze_behind_projections(self) -> None:
        """Let nothing learn behind the queries, keys and values of the last block."""
        ...

    def drop_final_norm(self) -> None:
        """Remove the norm after the last block, for uses that read raw features only."""
        ...

    def truncate(self, depth: int) -> None:
        """Keep the first ``depth`` blocks and no final norm."""
        ...
