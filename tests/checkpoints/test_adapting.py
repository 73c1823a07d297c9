"""A student in another number of frames, size and tubelet than it was pre-trained with."""
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_vits import image_vit, pretraining, video_vit

from amd_mm.checkpoints import load_pretrained
from amd_mm.checkpoints.adapting import resize_tubelet

CONFIG = "model = dict(backbone=dict(img_size=32, num_frames=4, num_heads=3))"


def save(path: Path, model: torch.nn.Module, drop: tuple[str, ...] = ()) -> Path:
    state = {name: value for name, value in model.state_dict().items() if name not in drop}
    torch.save(dict(state_dict=state, meta=dict(cfg=CONFIG)), path)
    return path


def directly(table: torch.Tensor, old: tuple, new: tuple) -> np.ndarray:
    """Each frame resized on its own, then each place interpolated over time by numpy."""
    frames = table.reshape(*old, -1).permute(0, 3, 1, 2).double()
    frames = torch.stack([F.interpolate(frame[None], new[1:], mode='bicubic')[0]
                          for frame in frames]).numpy()
    times = (np.arange(new[0]) + .5) * old[0] / new[0] - .5
    series = frames.reshape(old[0], -1).T
    wide = np.stack([np.interp(times, np.arange(old[0]), one) for one in series])
    dims = table.shape[-1]
    return wide.reshape(dims, *new[1:], new[0]).transpose(3, 1, 2, 0).reshape(-1, dims)


@pytest.mark.parametrize(('changes', 'grid'), [
    (dict(num_frames=8), (4, 4, 4)),
    (dict(img_size=48), (2, 6, 6)),
    (dict(num_frames=12, img_size=24), (6, 3, 3)),
    (dict(tubelet_size=1), (4, 4, 4)),
    (dict(tubelet_size=4, num_frames=16), (4, 4, 4)),
    # As many tokens, otherwise arranged.
    (dict(num_frames=16, img_size=16), (8, 2, 2)),
    (dict(img_size=(16, 64)), (2, 2, 8)),
    (dict(img_size=(24, 40)), (2, 3, 5)),
])
@pytest.mark.parametrize('drop', [(), ('backbone.pos_embed', )], ids=['stored', 'computed'])
def test_positions_of_clips(changes: dict, grid: tuple, drop: tuple, tmp_path: Path) -> None:
    source = pretraining('video')
    model = video_vit(seed=9, use_mean_pooling=True, **changes)
    load_pretrained(model, save(tmp_path / 'a.pth', source, drop), 'backbone.')
    want = directly(source.backbone.pos_embed[0], (2, 4, 4), grid)
    np.testing.assert_allclose(model.pos_embed[0].numpy(), want, atol=1e-6)
    assert torch.equal(model.blocks[1].mlp.layers[1].weight,
                       source.backbone.blocks[1].mlp.layers[1].weight)


@pytest.mark.parametrize(('size', 'grid'), [(48, (1, 6, 6)), ((24, 40), (1, 3, 5))])
def test_positions_of_images(size: int | tuple, grid: tuple, tmp_path: Path) -> None:
    source = pretraining('image')
    model = image_vit(seed=9, img_size=size, final_norm=False, out_type='avg_featmap')
    load_pretrained(model, save(tmp_path / 'a.pth', source), 'backbone.')
    want = directly(source.backbone.pos_embed.data[0, 1:], (1, 4, 4), grid)
    np.testing.assert_allclose(model.pos_embed.data[0, 1:].numpy(), want, atol=1e-6)
    assert torch.equal(model.pos_embed[:, 0], source.backbone.pos_embed[:, 0])


@pytest.mark.parametrize('tubelet', [1, 2, 3, 4])
def test_a_clip_without_motion_is_embedded_as_before(tubelet: int) -> None:
    weight = torch.randn(5, 3, 2, 4, 4)
    resized = resize_tubelet(weight, tubelet)
    assert resized.shape == (5, 3, tubelet, 4, 4) and resized.dtype == weight.dtype
    torch.testing.assert_close(resized.sum(2), weight.sum(2))
    if tubelet == 4:
        a, b = weight.unbind(2)
        torch.testing.assert_close(resized[:, :, 1], (.75 * a + .25 * b) / 2)
    torch.testing.assert_close(resize_tubelet(resize_tubelet(weight, 4), 2)[:, :, 0],
                               (.875 * weight[:, :, 0] + .125 * weight[:, :, 1]))


def test_a_file_that_does_not_tell_its_grid_stops(tmp_path: Path) -> None:
    torch.save(dict(state_dict=pretraining('video').state_dict()), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='32 positions are not the 6272 of 16 frames at 224 pix'):
        load_pretrained(video_vit(num_frames=8), tmp_path / 'a.pth', 'backbone.')


class TestKeys:
    """Exactly the expected keys may be missing or left over."""

    def finetuned(self, path: Path, **changes) -> Path:
        model = video_vit(use_mean_pooling=True)
        state = {f'backbone.{name}': value for name, value in model.state_dict().items()}
        head = {'cls_head.fc_cls.weight': torch.ones(5, 24), 'cls_head.fc_cls.bias': torch.ones(5)}
        torch.save(dict(state_dict={**state, **head}), path)
        return path

    def test_detection_starts_its_own_norm(self, tmp_path: Path) -> None:
        path = self.finetuned(tmp_path / 'a.pth')
        model = video_vit(seed=9, return_feat_map=True)
        before = model.norm.weight.clone()
        load_pretrained(model, path, 'backbone.')
        assert torch.equal(model.norm.weight, before)
        with pytest.raises(ValueError, match='not in the checkpoint: norm.bias, norm.weight'):
            load_pretrained(video_vit(), path, 'backbone.')

    def test_the_norm_of_pretraining_is_not_made_up_for_images(self, tmp_path: Path) -> None:
        model = image_vit(final_norm=False, out_type='avg_featmap')
        torch.save({f'backbone.{name}': value for name, value in model.state_dict().items()},
                   tmp_path / 'a.pth')
        with pytest.raises(ValueError, match='not in the checkpoint: ln1.bias, ln1.weight'):
            load_pretrained(image_vit(), tmp_path / 'a.pth', 'backbone.')
