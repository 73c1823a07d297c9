"""Released names in, our models out: the losses are those of the authors' code."""
from pathlib import Path

import pytest
import torch
from golden import amd_video, dmae_image, golden
from mmengine.model import BaseModel

from amd_mm.checkpoints import fill_encoder, read_state_dict
from amd_mm.export.convert import Options
from amd_mm.export.files import convert_checkpoint
from amd_mm.positions import fixed_positions
from amd_mm.tokens import TokenMask


def indices(mask: torch.Tensor) -> torch.Tensor:
    return mask.nonzero()[:, 1].reshape(len(mask), -1)


def student(model: BaseModel, weights: dict, path: Path) -> dict:
    """Converts a student, fills ``model`` with it, and returns its state dict."""
    torch.save({'model': weights}, path / 'theirs.pth')
    convert_checkpoint(path / 'theirs.pth', path / 'ours.pth', Options('amd_mm'))
    state = read_state_dict(path / 'ours.pth')
    incompatible = model.load_state_dict(state, strict=False)
    assert not incompatible.unexpected_keys
    assert set(incompatible.missing_keys) <= {'backbone.pos_embed'}
    return state


def teacher(model: BaseModel, weights: dict, path: Path) -> None:
    model.teacher.backbone.drop_final_norm()
    depth = model.teacher.backbone.depth
    kept = {name: value for name, value in weights.items()
            if not name.startswith('blocks.') or int(name.split('.')[1]) < depth}
    torch.save({'model': kept}, path / 'teacher.pth')
    fill_encoder(model.teacher.backbone, path / 'teacher.pth')


def alignment(model: BaseModel, images: torch.Tensor, mask: TokenMask) -> dict:
    latent, features = model.backbone.encode(images, mask.visible, model.taps)
    wanted = model.teacher(images, mask.teacher_visible)
    return model.head.loss(model.decoder(latent, mask), images, mask) | model.neck.loss(
        features, wanted, mask)


@torch.no_grad()
def test_amd_files(tmp_path: Path) -> None:
    model = amd_video()
    student(model, golden('amd.student.'), tmp_path)
    teacher(model, golden('amd.teacher.'), tmp_path)
    masked, extra = golden('amd.masked')[''], golden('amd.extra')['']
    mask = TokenMask(*map(indices, (~masked, extra, masked, masked)))
    losses = alignment(model, golden('amd.clips')[''], mask)
    for name in ('loss_rec', 'loss_dir', 'loss_gen'):
        want = float(golden(f'amd.{name}')[''])
        assert float(losses[name]) == pytest.approx(want, rel=1e-6)


@torch.no_grad()
def test_dmae_files(tmp_path: Path) -> None:
    model = dmae_image('token')
    weights = golden('dmae.student.')
    # The golden decoder has random positions, which no released one has and ours computes.
    table = weights['decoder_pos_embed']
    with pytest.raises(ValueError, match='computes the table decoder.pos_embed'):
        student(model, weights, tmp_path)
    (tmp_path / 'theirs.pth').unlink()
    weights['decoder_pos_embed'] = fixed_positions('image', (1, 4, 4), 16, 1)
    student(model, weights, tmp_path)
    model.decoder.pos_embed.copy_(table)
    teacher(model, golden('dmae.teacher.'), tmp_path)
    keep, restore = golden('dmae.ids_keep')[''], golden('dmae.ids_restore')['']
    masked = restore.argsort(1)[:, keep.shape[1]:]
    mask = TokenMask(keep, keep[:, :0], masked, masked)
    losses = alignment(model, golden('dmae.images')[''], mask)
    want = golden('dmae.norm1.')
    assert float(losses['loss_rec']) == pytest.approx(float(want['loss_rec']), rel=1e-6)
    assert float(losses['loss_dir']) == pytest.approx(float(want['loss_align_2']), rel=1e-6)


@pytest.mark.parametrize('name', ['amd.student.', 'amd.teacher.', 'dmae.student.'])
@pytest.mark.parametrize('envelope', ['model', 'module', None])
@pytest.mark.parametrize('prefix', ['', 'module.', 'student.module.'])
def test_there_and_back_is_bit_equal(name: str, envelope: str | None, prefix: str,
                                     tmp_path: Path) -> None:
    weights = golden(name)
    if 'decoder_pos_embed' in weights:
        weights['decoder_pos_embed'] = fixed_positions('image', (1, 4, 4), 16, 1)
    named = {prefix + key: value for key, value in weights.items()}
    torch.save({envelope: named} if envelope else named, tmp_path / 'theirs.pth')
    convert_checkpoint(tmp_path / 'theirs.pth', tmp_path / 'ours.pth', Options('amd_mm'))
    layout = 'mae' if name.startswith('dmae') else 'videomae'
    convert_checkpoint(tmp_path / 'ours.pth', tmp_path / 'again.pth', Options(layout))
    again = torch.load(tmp_path / 'again.pth')['model']
    assert again.keys() == weights.keys()
    assert all(torch.equal(again[key], weights[key]) for key in weights)


def test_the_released_generator_holds_a_norm_that_nothing_uses(tmp_path: Path) -> None:
    weights = golden('amd.student.')
    released = {key: value for key, value in weights.items() if 'mask_tokens' not in key}
    released['generators.0.norm.weight'] = torch.ones(32)
    torch.save({'model': released}, tmp_path / 'a.pth')
    result = convert_checkpoint(tmp_path / 'a.pth', tmp_path / 'b.pth', Options('amd_mm'))
    assert result.dropped == {'generators.0.norm.weight': "the released generator's norm, which "
                              'its forward never uses'}
    assert set(result.unfilled) == {'neck.generators.0.mask_token', 'neck.generators.1.mask_token',
                                    'encoder.pos_embed'}
