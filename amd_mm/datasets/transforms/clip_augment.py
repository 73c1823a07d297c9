"""Random changes of colour and shape, alike on all frames of a clip."""
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from torchvision.transforms import InterpolationMode, v2

from amd_mm.registry import TRANSFORMS
from amd_mm.values import list_of, number, takes, whole

_LEVELS = 10
# Steps of torchvision's magnitudes between two levels, for magnitudes that are drawn.
_STEPS = 10


@TRANSFORMS.register_module()
class ClipRandAugment(BaseTransform):
    """RandAugment (arXiv 1909.13719) with one draw for all frames, by torchvision's operations.

    The defaults are ``rand-m7-n4-mstd0.5-inc1`` of the released fine-tuning of VideoMAE and AMD,
    in timm's reading: ``num_ops`` operations are drawn, each is carried out with probability
    ``prob``, at a magnitude drawn around ``magnitude``, and more is always stronger ("inc").
    Torchvision has timm's operations without Invert and SolarizeAdd, and the identity besides;
    shears, shifts and rotations interpolate bilinearly instead of bicubically.

    Args:
        num_ops: Operations drawn, at least 1.
        magnitude: Mean strength, in [0, 10].
        magnitude_std: Deviation of the strength, at least 0.
        prob: Probability that a drawn operation is carried out, in [0, 1].
        fill: RGB value, 0 to 255, of what comes in from outside the picture.

    Raises:
        ValueError: For a number out of range.
    """

    @takes(
        num_ops=whole(1),
        magnitude=number(0, _LEVELS),
        magnitude_std=number(0),
        prob=number(0, 1),
        fill=list_of(number(0, 255), 3))
    def __init__(self,
                 num_ops: int = 4,
                 magnitude: float = 7,
                 magnitude_std: float = .5,
                 prob: float = .5,
                 fill: tuple[int, int, int] = (124, 116, 104)) -> None:
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std
        self.prob = prob
        self._operation = v2.RandAugment(
            num_ops=1, num_magnitude_bins=_LEVELS * _STEPS + 1,
            interpolation=InterpolationMode.BILINEAR, fill=list(fill))

    def transform(self, results: dict) -> dict:
        """Change the clip. Draws from torch's generator, whatever the number of frames.

        Args:
            results: Holds ``imgs``, a list of (H, W, 3) uint8 RGB arrays of one size.

        Returns:
            The same dictionary with the changed ``imgs``.
        """
        clip = torch.from_numpy(np.stack(results['imgs'])).permute(0, 3, 1, 2)
        for _ in range(self.num_ops):
            level = float(torch.normal(float(self.magnitude), self.magnitude_std, ()))
            self._operation.magnitude = round(_STEPS * min(max(level, 0), _LEVELS))
            if torch.rand(()) < self.prob:
                clip = self._operation(clip)
        results['imgs'] = list(clip.permute(0, 2, 3, 1).contiguous().numpy())
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, '
                f'magnitude_std={self.magnitude_std}, prob={self.prob})')
