"""Random changes of colour and shape, alike on all frames of a clip."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_random_params
from mmpretrain.datasets.transforms import RandAugment

from amd_mm.registry import TRANSFORMS
from amd_mm.values import number, takes, whole

# Of the magnitudes, in timm's reading and mmpretrain's.
_LARGEST = 10


@TRANSFORMS.register_module()
class ClipRandAugment(BaseTransform):
    """RandAugment (arXiv 1909.13719) with one draw for all frames, by mmpretrain's operations.

    Timm's ``rand-mM-nN-mstdS-inc1`` on a clip: of its 15 operations N are drawn with replacement,
    each is carried out with probability ``prob`` at a magnitude drawn around M, and more is
    always stronger ("inc"). An operation has the same magnitude and sign on every frame. Shears,
    shifts and rotations are bicubic.

    Args:
        num_ops: Operations drawn, at least 1.
        magnitude: Mean strength, in [0, 10].
        magnitude_std: Deviation of the strength, at least 0.
        prob: Probability that a drawn operation is carried out, in [0, 1].
        fill: Grey value, 0 to 255, of what comes in from outside the picture.

    Raises:
        ValueError: For a number out of range.
    """

    @takes(
        num_ops=whole(1),
        magnitude=number(0, _LARGEST),
        magnitude_std=number(0),
        prob=number(0, 1),
        fill=whole(0, 255))
    def __init__(self,
                 num_ops: int,
                 magnitude: float,
                 magnitude_std: float,
                 prob: float = .5,
                 fill: int = 128) -> None:
        self._one_frame = RandAugment(
            'timm_increasing', num_policies=num_ops, magnitude_level=magnitude,
            magnitude_std=magnitude_std, total_level=_LARGEST,
            # A triple: of one number a rotation would fill the first channel only.
            hparams=dict(pad_val=(fill, ) * 3, prob=prob, interpolation='bicubic'))

    def transform(self, results: dict) -> dict:
        """Change the clip. Draws from numpy's generator, whatever the number of frames.

        Args:
            results: Holds ``imgs``, a list of (H, W, 3) uint8 RGB arrays of one size.

        Returns:
            The same dictionary with the changed ``imgs``.
        """
        # The operations tell grey from BGR.
        frames = [np.ascontiguousarray(frame[..., ::-1]) for frame in results['imgs']]
        for index in self._one_frame.random_policy_indices():
            operation = self._one_frame.transforms[index]
            with cache_random_params(operation):
                frames = [operation(dict(img=frame))['img'] for frame in frames]
        results['imgs'] = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._one_frame})'


@TRANSFORMS.register_module()
class ClipHSVJitter(BaseTransform):
    """Shifts hue, saturation and value of a clip, each by one draw for all frames.

    As VideoMAE's detection code, on OpenCV's scale: hues of two degrees go round, the others end
    at 0 and 255.

    Args:
        hue: Largest shift of the hue, in degrees, in [0, 180].
        saturation: Largest shift of the saturation, in [0, 1].
        value: Largest shift of the value, in [0, 1].

    Raises:
        ValueError: For a number out of range.
    """

    @takes(hue=number(0, 180), saturation=number(0, 1), value=number(0, 1))
    def __init__(self, hue: float, saturation: float, value: float) -> None:
        self.bounds = round(hue / 2), round(saturation * 255), round(value * 255)

    def transform(self, results: dict) -> dict:
        """Change the clip. Draws from numpy's generator, whatever the number of frames.

        Args:
            results: Holds ``imgs``, a list of (H, W, 3) uint8 RGB arrays.

        Returns:
            The same dictionary with the changed ``imgs``.
        """
        shift = np.array([np.random.randint(-bound, bound + 1) for bound in self.bounds])
        frames = []
        for frame in results['imgs']:
            hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV) + shift
            hsv[..., 0] %= 180
            hsv[..., 1:] = hsv[..., 1:].clip(0, 255)
            frames.append(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB))
        results['imgs'] = frames
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(bounds={self.bounds})'
