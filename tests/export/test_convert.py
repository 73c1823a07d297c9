"""Conversions in memory: drops with a reason, positions, refusals."""
import numpy as np
import pytest
import torch
from golden import golden
from tiny_vits import image_vit, pixels, pretraining, video_vit

from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.export.convert import Options, convert_weights, report
from amd_mm.positions import fixed_positions, resize_positions

WAS = dict(source_frames=4, source_size=32)


def convert(state: dict, target: str = 'amd_mm', **options):
    return convert_weights(Checkpoint(dict(state)), Options(target, **options))


def test_drops_have_reasons() -> None:
    result = convert(golden('amd.student.'), part='encoder')
    reasons = set(result.dropped.values())
    assert reasons == {'decoder: only the encoder is wanted', 'neck: only the encoder is wanted'}
    assert all(name.startswith('backbone.') for name in result.weights)
    assert len(result.dropped) + len(result.weights) == len(golden('amd.student.'))
    text = '\n'.join(report(result))
    assert 'dropped: mask_token, ' in text and 'only the encoder is wanted' in text


def test_constants_of_the_data_preprocessor_are_dropped() -> None:
    state = pretraining('image').state_dict() | {'data_preprocessor.mean': torch.ones(3, 1, 1)}
    result = convert(state, 'mae')
    assert result.dropped == {'data_preprocessor.mean': 'constants of the data preprocessor'}


def test_video_positions_for_other_frames_and_sizes() -> None:
    state = video_vit().state_dict()
    result = convert(state, num_frames=8, img_size=48, **WAS)
    have = result.weights['backbone.pos_embed']
    want = resize_positions(state['pos_embed'], (2, 4, 4), (4, 6, 6))
    assert torch.equal(have, want) and have.shape == (1, 144, 24)
    model = video_vit(seed=9, img_size=48, num_frames=8)
    model.load_state_dict({name.removeprefix('backbone.'): value
                           for name, value in result.weights.items()})


@torch.no_grad()
@pytest.mark.parametrize('tubelet', [1, 4])
def test_another_tubelet(tubelet: int) -> None:
    """Positions follow the new number of tokens; a still clip embeds as before."""
    ours = video_vit()
    result = convert(ours.state_dict(), tubelet=tubelet, **WAS)
    frames = 4 // tubelet
    assert torch.equal(result.weights['backbone.pos_embed'],
                       resize_positions(ours.pos_embed, (2, 4, 4), (frames, 4, 4)))
    model = video_vit(seed=9, tubelet_size=tubelet)
    model.load_state_dict({name.removeprefix('backbone.'): value
                           for name, value in result.weights.items()})
    still = pixels('video')[:, :, :1].expand(-1, -1, 4, -1, -1)
    have = model.patch_embed(still)[0].reshape(2, frames, 16, 24)
    want = ours.patch_embed(still)[0].reshape(2, 2, 16, 24)
    torch.testing.assert_close(have[:, 0], want[:, 0], rtol=1e-5, atol=1e-4)


def test_a_computed_table_is_interpolated_like_a_stored_one() -> None:
    encoder = {f'encoder.{name}': value for name, value in golden('amd.teacher.').items()}
    result = convert(encoder, num_frames=16, source_frames=8, source_size=32)
    table = fixed_positions('video', (4, 4, 4), 32, 0)
    want = resize_positions(table, (4, 4, 4), (8, 4, 4))
    assert torch.equal(result.weights['backbone.pos_embed'], want)


@pytest.mark.parametrize(('size', 'grid'), [(64, (1, 8, 8)), ((16, 64), (1, 2, 8))])
def test_image_positions_for_another_size(size: int | tuple, grid: tuple) -> None:
    state = image_vit().state_dict()
    result = convert(state, img_size=size)
    assert torch.equal(result.weights['backbone.pos_embed'],
                       resize_positions(state['pos_embed'], (1, 4, 4), grid, 1))
    assert result.net.grid == grid


@pytest.mark.parametrize(('options', 'message'), [
    (dict(img_size=36), 'must be positive multiples of patch 8 and tubelet 2, got 36 and 4'),
    (dict(num_frames=5), 'got 32 and 5'),
    (dict(img_size=(32, 36)), 'got 32 x 36 and 4'),
    (dict(img_size=(0, 32)), 'got 0 x 32 and 4'),
    (dict(tubelet=0), 'tubelet 0'),
])
def test_sizes_that_patches_do_not_fill(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert(video_vit().state_dict(), **options, **WAS)


def test_resizing_is_for_encoders() -> None:
    with pytest.raises(ValueError, match=r'4 x 4 x 4 instead of 2 x 4 x 4.*--part encoder'):
        convert(pretraining('video').state_dict(), num_frames=8, **WAS)
    with pytest.raises(ValueError, match='--num-frames and --tubelet: must be left out'):
        convert(image_vit().state_dict(), num_frames=8)


def test_unknown_training_size_is_not_guessed() -> None:
    with pytest.raises(ValueError, match='32 positions are not the .*--source-size'):
        convert(video_vit().state_dict(), num_frames=8)
    with pytest.raises(ValueError, match='30 positions are not the 32 of 4 frames'):
        convert(video_vit().state_dict() | {'pos_embed': torch.randn(1, 30, 24)}, num_frames=8,
                **WAS)


@pytest.mark.parametrize('target', ['videomae', 'transformers'])
def test_computed_tables_cannot_hold_interpolated_positions(target: str) -> None:
    state = video_vit().state_dict()
    assert 'pos_embed' in convert(state, target, num_heads=3, **WAS).dropped
    with pytest.raises(ValueError, match='its model computes the table encoder.pos_embed'):
        convert(state, target, num_frames=8, **WAS)


def test_tables_are_filled_where_the_target_stores_them() -> None:
    result = convert(golden('amd.student.'), 'mmaction2', part='encoder', source_frames=8,
                     source_size=32)
    assert torch.equal(result.weights['backbone.pos_embed'],
                       fixed_positions('video', (4, 4, 4), 24, 0))
    assert 'backbone.pos_embed' not in convert(golden('amd.student.')).weights
    decoder = convert(pretraining('image').state_dict(), 'mae').weights['decoder_pos_embed']
    assert torch.equal(decoder, pretraining('image').decoder.pos_embed)


def test_positions_of_the_released_image_decoder() -> None:
    """Column before row, as MAE's code has it, written out with numpy."""
    decoder = convert(pretraining('image').state_dict(), 'mae').weights['decoder_pos_embed']
    frequencies = 1 / 10000**(np.arange(4) / 4)
    for index in range(16):
        row, column = divmod(index, 4)
        want = np.concatenate([np.sin(column * frequencies), np.cos(column * frequencies),
                               np.sin(row * frequencies), np.cos(row * frequencies)])
        np.testing.assert_allclose(decoder[0, 1 + index].numpy(), want, atol=1e-6)
    assert not decoder[0, 0].any()


def test_modality_and_part() -> None:
    with pytest.raises(ValueError, match='must be one of amd_mm, mmaction2, videomae, transfor'):
        convert(video_vit().state_dict(), 'timm')
    with pytest.raises(ValueError, match="must be 'encoder' or 'all', got 'head'"):
        convert(video_vit().state_dict(), part='head')


def test_what_the_file_says_wins() -> None:
    checkpoint = Checkpoint(dict(video_vit().state_dict()),
                            meta={'args': {'num_frames': 4, 'input_size': 32}})
    assert convert_weights(checkpoint, Options('mmaction2')).net.grid == (2, 4, 4)
    with pytest.raises(ValueError, match='num_frames must be what the file says, 4, but 8'):
        convert_weights(checkpoint, Options('mmaction2', source_frames=8))


def test_nan_is_warned_of_with_the_key() -> None:
    state = video_vit().state_dict()
    state['blocks.1.attn.proj.weight'][0, 0] = float('nan')
    with pytest.warns(UserWarning, match='not a finite number.*encoder.blocks.1.proj.weight'):
        result = convert(state, 'mmaction2')
    assert result.weights['backbone.blocks.1.attn.proj.weight'][0, 0].isnan()


def test_precision_is_kept() -> None:
    state = {name: value.bfloat16() for name, value in video_vit().state_dict().items()}
    assert {value.dtype for value in convert(state, 'mmaction2').weights.values()} == {
        torch.bfloat16}


def test_what_the_target_has_to_bring() -> None:
    state = {name: value for name, value in video_vit(qkv_bias=False).state_dict().items()
             if not name.startswith('norm.')}
    result = convert(state, 'mmaction2')
    assert result.unfilled.keys() == {
        'encoder.blocks.{i}.q_bias', 'encoder.blocks.{i}.v_bias', 'encoder.norm.*'}
