import numpy as np
import pytest
import torch

from amd_mm.datasets.transforms import ClipRandAugment
from amd_mm.keys import seeded


def clip(frames: int = 3) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (frames, 24, 32, 3), dtype=np.uint8))


def augmented(images: list[np.ndarray], seed: int, **settings) -> list[np.ndarray]:
    with seeded(seed):
        return ClipRandAugment(**settings)(dict(imgs=images))['imgs']


def test_all_frames_are_changed_alike():
    images = clip()
    kinds = set()
    for seed in range(40):
        together = augmented(images, seed, prob=1.)
        alone = [augmented([image], seed, prob=1.)[0] for image in images]
        np.testing.assert_array_equal(together, alone)
        kinds.add(np.stack(together).tobytes())
    assert len(kinds) > 35
    assert all(image.shape == (24, 32, 3) and image.dtype == np.uint8 and image.flags.c_contiguous
               for image in together)


def test_one_operation_is_torchvisions_at_the_same_strength():
    """Level 7 of 10 is bin 70 of 101, hence 70 % of torchvision's largest magnitude."""
    from torchvision.transforms import v2  # imports only after amd_mm mended it
    images = clip(2)
    for seed in range(20):
        ours = augmented(images, seed, num_ops=1, prob=1., magnitude_std=0.)
        with seeded(seed):
            torch.normal(7., 0., ()), torch.rand(())
            theirs = v2.RandAugment(1, 70, 101, v2.InterpolationMode.BILINEAR, [124, 116, 104])(
                torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
        np.testing.assert_array_equal(ours, theirs.permute(0, 2, 3, 1).numpy())


def test_half_of_the_drawn_operations_are_carried_out_at_magnitudes_around_seven():
    augment = ClipRandAugment()
    seen = []
    augment._operation.forward = lambda x: seen.append(augment._operation.magnitude) or x
    with seeded(0):
        for _ in range(500):
            augment(dict(imgs=clip(1)))
    assert 900 < len(seen) < 1100
    assert abs(np.mean(seen) - 70) < 1 and 4 < np.std(seen) < 6


@pytest.mark.parametrize('settings, words', [
    (dict(num_ops=0), 'num_ops .* got 0'), (dict(magnitude=11), 'magnitude .* got 11'),
    (dict(prob=1.5), 'prob .* got 1.5'), (dict(magnitude_std=-1), 'magnitude_std .* got -1')])
def test_numbers_out_of_range_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ClipRandAugment(**settings)
