"""What the masked pre-training of MAE, VideoMAE, DMAE and AMD shares: parts, keys, pictures."""
from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn
from torch._guards import detect_fake_mode

from amd_mm.keys import view_keys
from amd_mm.models.backbones import Encoder
from amd_mm.models.blocks import INIT_CFG
from amd_mm.models.heads import PixelHead
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.models.necks import PixelDecoder
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenMask
from amd_mm.values import CONFIG, FLAG, instance, optional, takes


class Reconstruction(NamedTuple):
    """What :meth:`MaskedPretraining.reconstruct` returns.

    Attributes:
        images: (B, C, (T,) H, W), float32 in [0, 1], the input.
        painted: Likewise, with the predictions at the masked tokens; where the target is
            normalised, by the true patch's mean and deviation.
        mask: The tokens.
        unaided: As ``painted``, by the mean and deviation of what the student sees instead; None
            where the target is not normalised.
    """
    images: Tensor
    painted: Tensor
    mask: TokenMask
    unaided: Tensor | None


class MaskedPretraining(BaseModel, metaclass=ABCMeta):
    """A student that is shown some tokens, a mask, and a decoder where pixels are predicted.

    The modality is the backbone's. Facts that several parts need (token grid, widths, channels,
    pixel statistics) are taken from the backbone and the data preprocessor. A subclass says
    what is learnt: :meth:`masked_loss`.

    Args:
        backbone: The student, an :class:`~amd_mm.models.backbones.Encoder`.
        mask_generator: An ``amd_mm.AsymmetricMaskGenerator``.
        decoder: An ``amd_mm.PixelDecoder``; None: no reconstruction.
        head: An ``amd_mm.PixelHead``; None with ``decoder=None``.
        data_preprocessor: The host's.
        with_cp: Recompute the blocks of backbone, decoder and generators in the backward pass
            instead of keeping their activations, except in parts that say otherwise.
        init_cfg: MMEngine's.

    Raises:
        ValueError: If the backbone has a norm that only fine-tuning would train, only one of
            decoder and head is there, the pixel statistics are not those of its channels, or the
            masks leave the decoder nothing or need what is not there.
    """

    # What masks can hang on beside the keys.
    offers_masks: frozenset[str] = frozenset({'images'})
    backbone: Encoder
    mask_generator: AsymmetricMaskGenerator
    decoder: PixelDecoder | None
    head: PixelHead | None

    @takes(
        backbone=CONFIG,
        mask_generator=CONFIG,
        decoder=optional(CONFIG),
        head=optional(CONFIG),
        data_preprocessor=optional(instance((dict, nn.Module), 'a dict or a module')),
        with_cp=FLAG,
        init_cfg=INIT_CFG)
    def __init__(self,
                 backbone: dict,
                 mask_generator: dict,
                 decoder: dict | None,
                 head: dict | None,
                 data_preprocessor: dict | None = None,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone, default_args=dict(with_cp=with_cp))
        if self.backbone.pooling_norm is not None:
            raise ValueError(
                'A backbone in pre-training must have no pooling norm, got one: set '
                "use_mean_pooling=False (video) or an out_type other than 'avg_featmap' (image).")
        grid = self.backbone.grid
        self.mask_generator = MODELS.build(mask_generator, default_args=dict(grid=grid))
        self.decoder = None if decoder is None else MODELS.build(decoder, default_args=dict(
            in_dims=self.backbone.embed_dims,
            grid=grid,
            num_prefix_tokens=self.backbone.num_prefix_tokens,
            channels=self.backbone.architecture.channels,
            with_cp=with_cp))
        mean, std = self._pixel_statistics()
        self.head = None if head is None else MODELS.build(
            head, default_args=dict(grid=grid, mean=mean, std=std))
        if (self.decoder is None) != (self.head is None):
            raise ValueError('decoder and head belong together, got only one of them.')
        if self.decoder is not None and self.mask_generator.num_visible == grid.num_tokens:
            raise ValueError(
                f'A decoder needs masked tokens to predict, got a student that sees all '
                f'{grid.num_tokens}: raise model.mask_generator.student_ratio, or set decoder and '
                'head to None where the algorithm can do without.')
        if lacking := self.mask_generator.needs - self.offers_masks:
            raise ValueError(
                f'{type(self.mask_generator.strategy).__name__} decides by the {min(lacking)} of a '
                f'teacher, and {type(self).__name__} has none: use another strategy in '
                'model.mask_generator, or amd_mm.AMD.')
        self._is_first_batch = True

    @abstractmethod
    def masked_loss(self, images: Tensor, mask: TokenMask) -> dict[str, Tensor]:
        """The losses, of tensors alone: what is compiled.

        Masks are drawn outside: on a CPU torch 2.13 compiles the hash that draws them into code
        that writes past its tensors, where the number of tokens is no multiple of 16.

        Args:
            images: (B, C, (T,) H, W), normalised.
            mask: Tokens of each.
        """

    def loss(self, inputs: Tensor | Sequence[Tensor],
             data_samples: list | None = None) -> dict[str, Tensor]:
        """The losses of a batch.

        Args:
            inputs: (B, C, H, W) images or (B, views, C, T, H, W) clips, normalised.
            data_samples: The hosts' data samples; their ``sample_key`` decides the mask.
        """
        images, mask = self.see(inputs, data_samples)
        # Imagined tensors, in which costs are counted, have no values to look at.
        is_real = detect_fake_mode([images]) is None
        if self.training and is_real:
            self.observe(images, mask)
        losses = self.masked_loss(images, mask)
        if self._is_first_batch and is_real:
            self._is_first_batch = False
            self.check_first_batch(images, mask, losses)
        return losses

    def see(self, inputs: Tensor | Sequence[Tensor],
            data_samples: list | None = None) -> tuple[Tensor, TokenMask]:
        """What the networks get of a batch: images (B, C, (T,) H, W), and the masks.

        Args:
            inputs: As in :meth:`loss`.
            data_samples: As in :meth:`loss`.
        """
        images = self.fold_views(inputs)
        return images, self.draw_mask(images, self._sample_keys(images, data_samples))

    def draw_mask(self, images: Tensor, keys: Tensor) -> TokenMask:
        """The masks of a batch; never compiled.

        Args:
            images: (B, C, (T,) H, W), normalised.
            keys: (B,) int64, one a sample.
        """
        return self.mask_generator(keys, images)

    def observe(self, images: Tensor, mask: TokenMask) -> None:
        """Called in training with every batch, before its losses; never compiled.

        Args:
            images: As in :meth:`masked_loss`.
            mask: Tokens of each.
        """

    def check_first_batch(self, images: Tensor, mask: TokenMask,
                          losses: dict[str, Tensor]) -> None:
        """Called once, with the losses of the first batch; what is wrong with it is raised.

        Args:
            images: As in :meth:`masked_loss`.
            mask: Tokens of each.
            losses: What :meth:`masked_loss` returned.
        """

    def predict(self, inputs: Tensor | Sequence[Tensor],
                data_samples: list | None = None) -> list[dict]:
        """The losses of a held-out batch, for :class:`amd_mm.HeldOutLoss`.

        Args:
            inputs: As in :meth:`loss`.
            data_samples: As in :meth:`loss`.

        Returns:
            One ``dict(samples=B, losses=dict(loss_rec=..., ...))`` of numbers.
        """
        losses = self.loss(inputs, data_samples)
        return [dict(samples=len(inputs) if isinstance(inputs, Tensor) else len(inputs[0]),
                     losses={name: loss.item() for name, loss in losses.items()})]

    def forward(self,
                inputs: Tensor | Sequence[Tensor],
                data_samples: list | None = None,
                mode: str = 'tensor') -> Tensor | tuple | dict[str, Tensor] | list[dict]:
        """:meth:`loss`, :meth:`predict`, or for ``'tensor'`` the backbone's own, unmasked, forward.

        Raises:
            ValueError: For another mode.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            return self.backbone(self.fold_views(inputs))
        raise ValueError(
            f"mode must be 'loss', 'predict' or 'tensor' in pre-training, got {mode!r}.")

    def compile_networks(self, **settings: Any) -> None:
        """What ``compile=True`` in a config asks for: the networks and losses as one graph.

        Args:
            settings: Of ``torch.compile``.
        """
        self.__dict__['masked_loss'] = torch.compile(self.masked_loss, **settings)

    @torch.no_grad()
    def reconstruct(self, inputs: Tensor | Sequence[Tensor],
                    data_samples: list | None = None) -> Reconstruction:
        """Input and reconstruction as pictures, of all masked tokens; arguments as in :meth:`loss`.

        With a normalised pixel target the true patch statistics are used, and then those of what
        the student sees.
        """
        assert self.decoder is not None and self.head is not None, 'nothing to reconstruct with'
        images, mask = self.see(inputs, data_samples)
        mask = mask._replace(predicted=mask.masked)
        latent, _ = self.backbone.encode(images, mask.visible)
        prediction = self.decoder(latent, mask)
        return Reconstruction(
            self.head.to_unit_scale(images).clamp(0, 1),
            self.head.paint(prediction, images, mask), mask,
            None if self.head.normalize is None else
            self.head.paint_unaided(prediction, images, mask))

    def fold_views(self, inputs: Tensor | Sequence[Tensor]) -> Tensor:
        """(B, C, (T,) H, W): the views of a sample become samples.

        A list is one of views, (B, C, ...) each, as mmpretrain's preprocessor gives it.
        """
        dims = len(self.backbone.grid.size) + 2
        if not isinstance(inputs, Tensor):
            inputs = torch.stack(list(inputs), dim=1)
            if inputs.dim() != dims + 1:
                raise ValueError(
                    f'A list of inputs must hold views, batches of {dims} axes each, got '
                    f'{inputs.dim() - 1} axes: use a data preprocessor that stacks samples, such '
                    'as mmengine.ImgDataPreprocessor.')
        return inputs.flatten(0, 1) if inputs.dim() > dims else inputs

    def _sample_keys(self, images: Tensor, data_samples: list | None) -> Tensor:
        """(B,) int64 keys, one a view; drawn from torch's generator if the data has none."""
        given = [sample.metainfo.get('sample_key') for sample in data_samples or ()]
        if all(key is None for key in given):
            keys = torch.randint(2**63 - 1, (len(images), ))
            return keys.to(images.device, non_blocking=True)
        if None in given:
            raise ValueError(
                f'Either every sample of a batch must have a sample_key or none, got {given}: do '
                'not mix data sets with and without amd_mm.KeyedDataset.')
        keys = torch.tensor(given).to(images.device, non_blocking=True)
        return view_keys(keys, views=len(images) // len(keys))

    @property
    def _normalises(self) -> bool:
        """Whether the data preprocessor normalises pixels."""
        return getattr(self.data_preprocessor, '_enable_normalize', False)

    def _pixel_statistics(self) -> tuple[list[float], list[float]]:
        """Mean and deviation that the data preprocessor removes, on the 0-1 scale."""
        if not self._normalises:
            return [0.], [1 / 255]
        mean, std = ((getattr(self.data_preprocessor, name).flatten() / 255).tolist()
                     for name in ('mean', 'std'))
        channels = self.backbone.architecture.channels
        for name, values in (('mean', mean), ('std', std)):
            if len(values) not in (1, channels):
                raise ValueError(
                    f'{name} of the data preprocessor must have as many values as the backbone '
                    f'has input channels, {channels}, or one, got {len(values)}: change it or '
                    'in_channels.')
        return mean, std
