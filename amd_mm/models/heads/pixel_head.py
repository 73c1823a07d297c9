"""Pixel targets and the reconstruction loss (MAE, section 3; VideoMAE, section 3.3)."""
from collections.abc import Sequence
from typing import ClassVar

import torch
from mmengine.model import BaseModule
from torch import Tensor

from amd_mm.registry import MODELS
from amd_mm.tokens import GRID, TokenGrid, TokenMask, gather_patches, scatter_patches
from amd_mm.values import CONFIG, list_of, number, one_of, takes


@MODELS.register_module()
class PixelHead(BaseModule):
    """Loss of predicted pixels at the masked tokens, in float32.

    Inside a token pixels are ordered (frame,) row, column, channel. Targets:

    - ``'token'`` (MAE): over all values of a token together, unbiased variance, 1e-6
      added inside the root, on images as the network sees them.
    - ``'token_channel'`` (VideoMAE): a channel at a time, on the 0-1 scale, unbiased
      variance, 1e-6 added to the deviation.
    - None (DMAE as released): pixels as the network sees them.

    Where a teacher's prediction is the target, this is how it was trained, and how pictures are
    painted.

    Where a normalisation finds one value only, the target is 0, exactly: what rounding leaves of
    it, over an epsilon, would be noise that differs from compiled to eager mode.

    Args:
        grid: The tokens; filled in by the algorithm.
        mean: Of the data preprocessor, on the 0-1 scale; filled in by the algorithm.
        std: Likewise.
        loss: Of prediction and target, both (B, P, pixels of a token), to a scalar; MAE and
            VideoMAE: ``mmpretrain.PixelReconstructionLoss`` with ``criterion='L2'``.
        normalize: One of the above.

    Raises:
        ValueError: For an unknown normalisation, or statistics that are no numbers.
    """

    NORMALIZATIONS = ('token', 'token_channel', None)
    # Axes of (B, M, p, C) over which a normalisation goes.
    _AXES: ClassVar[dict] = {'token': (-2, -1), 'token_channel': (-2, )}

    @takes(
        grid=GRID,
        mean=list_of(number()),
        std=list_of(number(above=0)),
        loss=CONFIG,
        normalize=one_of(*NORMALIZATIONS))
    def __init__(self,
                 grid: TokenGrid,
                 mean: Sequence[float],
                 std: Sequence[float],
                 loss: dict,
                 normalize: str | None) -> None:
        super().__init__()
        self.grid = grid
        self.normalize = normalize
        self.loss_module = MODELS.build(loss)
        self.register_buffer('mean', torch.tensor(mean), persistent=False)
        self.register_buffer('std', torch.tensor(std), persistent=False)

    def loss(self, prediction: Tensor, images: Tensor, mask: TokenMask,
             target: Tensor | None = None) -> dict[str, Tensor]:
        """``loss_rec``.

        Args:
            prediction: (B, M, pixels of a token), from the decoder.
            images: (B, C, (T,) H, W), as the network sees them.
            mask: The masked tokens.
            target: (B, M, pixels of a token), another network's prediction, normalised as that was
                trained; None: the true pixels.
        """
        if target is None:
            pixels, mean, std, is_flat = self._pixels_and_statistics(images, mask)
            target = ((pixels - mean) / std).masked_fill_(is_flat, 0.).flatten(2)
        return dict(loss_rec=self.loss_module(prediction.float(), target.float()))

    def paint(self, prediction: Tensor, images: Tensor, mask: TokenMask) -> Tensor:
        """Images on the 0-1 scale whose masked tokens are the predictions.

        With a normalised target a prediction has no mean and deviation of its own: the
        true patch's are used, which the caller must say wherever it shows the result.
        Shapes as in :meth:`loss`; the result is (B, C, (T,) H, W), clipped to [0, 1].
        """
        _, mean, std, _ = self._pixels_and_statistics(images, mask)
        return self._painted(prediction, images, mask, mean, std)

    def paint_unaided(self, prediction: Tensor, images: Tensor, mask: TokenMask) -> Tensor:
        """As :meth:`paint`, without what the true patches would give away.

        With a normalised target every patch gets the mean and the deviation that the patches in
        ``mask.visible`` have on average, a sample at a time.
        """
        _, mean, std, _ = self._pixels_and_statistics(images, mask._replace(predicted=mask.visible))
        if self.normalize is not None:
            mean, std = (values.mean(1, keepdim=True) for values in (mean, std))
        return self._painted(prediction, images, mask, mean, std)

    def _painted(self, prediction: Tensor, images: Tensor, mask: TokenMask, mean: Tensor,
                 std: Tensor) -> Tensor:
        """Predictions with these means and deviations, in their places of the images."""
        pixels = prediction.float().unflatten(2, (-1, images.shape[1]))
        painted = pixels * std + mean
        if self.normalize != 'token_channel':
            painted = painted * self.std + self.mean
        patches = painted.unflatten(2, self.grid.patch).movedim(-1, 2)
        return scatter_patches(self.to_unit_scale(images), mask.predicted, patches,
                               self.grid).clamp(0, 1)

    def to_unit_scale(self, images: Tensor) -> Tensor:
        """Images as the network sees them, back on the 0-1 scale, float32."""
        return (images.float().movedim(1, -1) * self.std + self.mean).movedim(-1, 1)

    def _pixels_and_statistics(self, images: Tensor,
                               mask: TokenMask) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pixels (B, M, p, C) of the masked tokens, what to remove of them, where they are flat.

        That is mean and deviation, and whether those pixels have one value only.
        """
        patches = gather_patches(images.float(), mask.predicted, self.grid)
        pixels = patches.movedim(2, -1).flatten(2, -2)
        if self.normalize is None:
            return (pixels, pixels.new_zeros(1), pixels.new_ones(1),
                    pixels.new_zeros(1, dtype=torch.bool))
        axes = self._AXES[self.normalize]
        # Of the pixels as they came: whatever is computed of them may be rounded in two ways.
        is_flat = pixels.amax(axes, keepdim=True) == pixels.amin(axes, keepdim=True)
        eps_inside, eps_outside = 1e-6, 0.
        if self.normalize == 'token_channel':
            pixels = pixels * self.std + self.mean
            eps_inside, eps_outside = 0., 1e-6
        mean = pixels.mean(axes, keepdim=True)
        variance = pixels.var(axes, unbiased=True, keepdim=True)
        return pixels, mean, (variance + eps_inside).sqrt() + eps_outside, is_flat
