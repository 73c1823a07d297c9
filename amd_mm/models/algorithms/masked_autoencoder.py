"""MAE (CVPR 2022) and VideoMAE (NeurIPS 2022): the baselines and the way to make a teacher."""
from torch import Tensor

from amd_mm.models.algorithms.base import MaskedPretraining
from amd_mm.models.heads import PixelHead
from amd_mm.models.necks import PixelDecoder
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenMask
from amd_mm.values import CONFIG, takes


@MODELS.register_module()
class MaskedAutoencoder(MaskedPretraining):
    """Encodes the visible tokens, predicts the pixels of the masked ones.

    Args:
        backbone: The encoder.
        mask_generator: An ``amd_mm.AsymmetricMaskGenerator``.
        decoder: An ``amd_mm.PixelDecoder``.
        head: An ``amd_mm.PixelHead``.
        data_preprocessor: The host's.
        with_cp: As in :class:`MaskedPretraining`.
        init_cfg: MMEngine's.

    Raises:
        ValueError: As :class:`MaskedPretraining` does, and without a decoder.
    """

    decoder: PixelDecoder
    head: PixelHead

    @takes(decoder=CONFIG, head=CONFIG)
    def __init__(self,
                 backbone: dict,
                 mask_generator: dict,
                 decoder: dict,
                 head: dict,
                 data_preprocessor: dict | None = None,
                 with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(
            backbone, mask_generator, decoder, head, data_preprocessor, with_cp, init_cfg)

    def masked_loss(self, images: Tensor, mask: TokenMask) -> dict[str, Tensor]:
        """``loss_rec``; arguments as in :meth:`MaskedPretraining.masked_loss`."""
        latent, _ = self.backbone.encode(images, mask.visible)
        return self.head.loss(self.decoder(latent, mask), images, mask)
