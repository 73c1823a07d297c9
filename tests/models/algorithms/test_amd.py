"""AMD and DMAE against numbers that agree with the authors' released code."""
import golden
import pytest
import torch
from golden import IMAGE_NAMES, VIDEO_NAMES, amd_video, dmae_image, load_golden, renamed
from losses import AMD_NECK, LAYER_NORM_L2, RAW_L2
from mmpretrain.structures import DataSample
from tiny_vits import assert_same, pixels, pretraining_config, randomise
from torch import Tensor, nn

from amd_mm.keys import view_keys
from amd_mm.models.algorithms.amd import _drowning
from amd_mm.models.blocks import VideoAttention
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenMask


class FixedMasks(nn.Module):
    """Stands in for the mask generator and returns one given mask."""

    needs: frozenset[str] = frozenset()

    def __init__(self, mask: TokenMask) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, keys: Tensor, images: Tensor) -> TokenMask:
        return self.mask


def video_step(neck: dict | None = None, edit=None,
               **changes) -> tuple[nn.Module, dict[str, Tensor]]:
    model = load_golden(amd_video(neck, **changes))
    masked, extra = golden.golden('amd.masked')[''], golden.golden('amd.extra')['']

    def ids(bools: Tensor) -> Tensor:
        return bools.nonzero()[:, 1].reshape(len(bools), -1)

    model.mask_generator = FixedMasks(TokenMask(*map(ids, (~masked, extra, masked, masked))))
    if edit:
        edit(model)
    return model, model.loss(golden.golden('amd.clips')[''][:, None])


def image_step(normalize: str | None) -> tuple[nn.Module, dict[str, Tensor]]:
    model = load_golden(dmae_image(normalize))
    visible = golden.golden('dmae.ids_keep')['']
    masked = golden.golden('dmae.masked')[''].nonzero()[:, 1].reshape(len(visible), -1)
    model.mask_generator = FixedMasks(TokenMask(visible, visible[:, :0], masked, masked))
    return model, model.loss(golden.golden('dmae.images')[''])


def deviations(model: nn.Module, losses: dict[str, Tensor], losses_prefix: str,
               gradients_prefix: str, table: list) -> tuple[float, float]:
    """Largest relative error of a loss, and of a gradient over its tensor's largest value."""
    numbers = {'loss_dir' if k == 'align_2' else f'loss_{k}': v
               for k, v in golden.golden(losses_prefix + 'loss_').items()}
    assert set(losses) == set(numbers)
    loss_error = max(abs(losses[k].item() / v.item() - 1) for k, v in numbers.items())
    sum(losses.values()).backward()
    expected = {renamed(k, table): g for k, g in golden.golden(gradients_prefix).items()}
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert set(trained) == set(expected)
    gradient_error = max(((p.grad - expected[name]).abs().max() / expected[name].abs().max()).item()
                         for name, p in trained.items())
    return loss_error, gradient_error


def test_video_losses_and_gradients_are_the_released_ones():
    loss_error, gradient_error = deviations(
        *video_step(), 'amd.', 'amd.grad.', VIDEO_NAMES)
    assert loss_error < 1e-6 and gradient_error < 2e-5


def test_recomputation_changes_no_number():
    model, losses = video_step(with_cp=True, edit=lambda model: model.train())
    recomputed = [part.with_cp for part in (model.backbone, model.decoder, *model.neck.generators)]
    assert recomputed == [True] * 4
    # Every block of student, decoder and generators runs again in the backward pass.
    parts = (model.backbone, model.decoder, *model.neck.generators)
    again = []
    for block in (block for part in parts for block in part.blocks):
        block.register_forward_pre_hook(lambda block, args: again.append(block))
    loss_error, gradient_error = deviations(model, losses, 'amd.', 'amd.grad.', VIDEO_NAMES)
    assert loss_error < 1e-6 and gradient_error < 2e-5
    assert len(again) == sum(len(part.blocks) for part in parts)


def test_bfloat16_autocast_is_close():
    with torch.autocast('cpu', torch.bfloat16):
        _, losses = video_step()
    expected = golden.golden('amd.loss_')
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected[name[len('loss_'):]].item(), rel=2e-2)


def test_decoder_can_be_spared_tokens():
    def spare(model):
        mask = model.mask_generator.mask
        model.mask_generator.mask = mask._replace(predicted=mask.masked[:, ::2])

    model, losses = video_step(edit=spare)
    # What the decoder gets to see decides what it predicts: another loss, the others untouched.
    expected = golden.golden('amd.loss_')
    for name in ('dir', 'gen'):
        assert losses[f'loss_{name}'].item() == pytest.approx(expected[name].item(), rel=1e-6)
    images = golden.golden('amd.clips')['']
    mask = model.mask_generator.mask
    latent, _ = model.backbone.encode(images, mask.visible)
    target = model.head.paint(model.decoder(latent, mask), images, mask)
    assert losses['loss_rec'].item() != pytest.approx(expected['rec'].item(), rel=1e-3)
    painted = model.reconstruct(images[:, None])
    assert painted.mask.predicted is painted.mask.masked
    unseen = (target != model.head.to_unit_scale(images).clamp(0, 1)).any(1).float().mean()
    assert unseen < (mask.masked.shape[1] / 64) / 2 + .01


@pytest.mark.parametrize('normalize, name', [(None, 'dmae.norm0.'), ('token', 'dmae.norm1.')])
def test_dmae_losses_and_gradients_are_the_released_ones(normalize, name):
    loss_error, gradient_error = deviations(
        *image_step(normalize), name, name + 'grad.', IMAGE_NAMES)
    assert loss_error < 1e-6 and gradient_error < 2e-5


def _attentions(model: nn.Module) -> list:
    return [m for m in [*model.modules(), *model.teacher.modules()]
            if isinstance(m, VideoAttention)]


def wrong_head_count(model):
    for attention in _attentions(model):
        attention.num_heads = 1
        attention.scale = attention.embed_dims**-.5


def missing_scale(model):
    for attention in _attentions(model):
        attention.scale = 1.


def missing_query_bias(model):
    for attention in _attentions(model):
        attention.q_bias.data.zero_()


def uniform_attention(model):
    for attention in _attentions(model):
        attention.scale = 0.


def permuted_positions(model):
    for tables in (model.modules(), model.teacher.modules()):
        for module in tables:
            if hasattr(module, 'pos_embed'):
                module.pos_embed.data = module.pos_embed.roll(1, dims=1)


def tanh_gelu(model):
    for module in [*model.modules(), *model.teacher.modules()]:
        if isinstance(module, nn.GELU):
            module.approximate = 'tanh'


def larger_epsilon(model):
    for module in [*model.modules(), *model.teacher.modules()]:
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5


def swapped_taps(model):
    model.neck.projections = model.neck.projections[::-1]


def shifted_mask(model):
    mask = model.mask_generator.mask
    model.mask_generator.mask = mask._replace(extra=(mask.extra + 1) % 64)


def mutated_pixel_target(model):
    model.head.normalize = 'token'


@pytest.mark.parametrize('mutation, least_loss, least_gradient', [
    (wrong_head_count, 1e-3, 0.), (missing_scale, 1e-3, 0.), (missing_query_bias, 1e-3, 0.),
    (uniform_attention, 1e-3, 0.), (permuted_positions, 1e-3, 0.), (tanh_gelu, 0., 1e-3),
    (larger_epsilon, 0., 3e-5), (swapped_taps, 1e-3, 0.), (shifted_mask, 1e-3, 0.),
    (mutated_pixel_target, 1e-3, 0.)], ids=lambda x: getattr(x, '__name__', ''))
def test_golden_numbers_notice(mutation, least_loss, least_gradient):
    loss_error, gradient_error = deviations(
        *video_step(edit=mutation), 'amd.', 'amd.grad.', VIDEO_NAMES)
    assert loss_error >= least_loss and gradient_error >= least_gradient


# The configurations of one class (SPEC: DMAE, masked feature prediction) and image AMD, ours.
NO_DECODER = dict(decoder=None, head=None)
HALF_SEEN = dict(type='amd_mm.AsymmetricMaskGenerator', strategy='random', student_ratio=.75,
                 teacher_ratio=.5)
ALL_SEEN = dict(type='amd_mm.AsymmetricMaskGenerator', strategy='tube', student_ratio=0.)
CONFIGURATIONS = dict(
    amd_video=lambda: amd_video(),
    amd_video_parallel=lambda: amd_video(dict(
        alignment='parallel', projection='mlp', direct_pairs=[2], generation_pairs=[1])),
    amd_video_standardized=lambda: amd_video(dict(standardize=dict(
        type='amd_mm.TeacherStandardization', method='phi_s', samples=2))),
    amd_video_direct_only=lambda: amd_video(dict(generation=None)),
    amd_video_generation_only=lambda: amd_video(dict(direct=None, generation=LAYER_NORM_L2)),
    masked_feature_prediction=lambda: amd_video(
        dict(direct=None), **NO_DECODER, mask_generator=dict(
            type='amd_mm.AsymmetricMaskGenerator', strategy='tube', student_ratio=.9,
            teacher_ratio=0.)),
    feature_distillation=lambda: amd_video(
        dict(generation=None), **NO_DECODER, mask_generator=ALL_SEEN),
    attention_masks=lambda: amd_video(mask_generator=dict(
        type='amd_mm.AsymmetricMaskGenerator', strategy=dict(type='amd_mm.AttentionMasking'),
        student_ratio=.9, teacher_ratio=0.)),
    dmae=lambda: dmae_image('token'),
    amd_image=lambda: dmae_image(
        'token', mask_generator=HALF_SEEN, neck=AMD_NECK),
)


def batch(model: nn.Module) -> Tensor:
    size = model.backbone.grid.input_size
    return torch.randn(2, 3, *size)


def samples(*keys: int) -> list[DataSample]:
    return [DataSample(metainfo=dict(sample_key=key)) for key in keys]


@pytest.mark.parametrize('name', CONFIGURATIONS)
def test_every_parameter_trains_and_the_teacher_does_not(name):
    model = CONFIGURATIONS[name]()
    model.init_weights()
    model.train()
    sum(model.loss(batch(model)).values()).backward()
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all() and parameter.grad.any(), parameter_name
        else:
            assert parameter_name == 'backbone.pos_embed'
    assert all(p.grad is None for p in model.teacher.parameters())


def test_image_amd_aligns_no_class_token():
    model = CONFIGURATIONS['amd_image']()
    images, mask = batch(model), model.mask_generator(torch.tensor([3, 4]))
    _, features = model.backbone.encode(images, mask.visible, model.taps)
    teacher = model.teacher(images, mask.teacher_visible)
    before = model.neck.loss(features, teacher, mask)
    for tensor in (*features, *teacher):
        tensor[:, 0] += 100
    after = model.neck.loss(features, teacher, mask)
    assert before == after and set(before) == {'loss_dir', 'loss_gen'}


def test_losses_are_weighted_and_averaged_over_pairs():
    weights = dict(RAW_L2, loss_weight=.25)
    model, losses = video_step(dict(direct=weights))
    expected = golden.golden('amd.loss_dir')[''].item() / 4
    assert losses['loss_dir'].item() == pytest.approx(expected, rel=1e-6)


def test_each_alignment_has_blocks_of_its_own():
    """The four flags of AMD's released code: blocks of both, for each of the alignments."""
    usual, _ = video_step()
    config = golden.amd_video_config(dict(direct_pairs=[1, 2], generation_pairs=[3]))
    config['teacher']['taps'] = (6, 3, 3)
    model = MODELS.build(dict(config, taps=(4, 2, 2)))
    for name in ('backbone', 'decoder', 'teacher'):
        getattr(model, name).load_state_dict(getattr(usual, name).state_dict())
    for mine, theirs in zip(model.neck.projections, (1, 0, 0), strict=True):
        mine.load_state_dict(usual.neck.projections[theirs].state_dict())
    model.neck.generators[0].load_state_dict(usual.neck.generators[0].state_dict())
    images = model.fold_views(golden.golden('amd.clips')[''][:, None])
    mask = usual.mask_generator.mask
    losses = model.masked_loss(images, mask)
    assert losses['loss_dir'].item() == pytest.approx(
        golden.golden('amd.loss_dir')[''].item(), rel=1e-6)
    _, features = usual.backbone.encode(images, mask.visible, (2, ))
    seed = usual.neck.projections[0](features[0])
    extra = mask.split_teacher(usual.teacher(images, mask.teacher_visible)[0]).extra
    assert losses['loss_gen'].item() == pytest.approx(
        (usual.neck.generators[0](seed, mask) - extra).pow(2).mean().item(), rel=1e-6)


TEACHERS_DECODER = dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=2, num_heads=4)


def golden_teacher(checkpoint: str | None, **changes) -> dict:
    """DMAE's whole teacher, an MAE, of which block 6 is read."""
    return dict(dict(
        type='amd_mm.FrozenTeacher', taps=(6, ), checkpoint=checkpoint, decoder=TEACHERS_DECODER,
        backbone=dict(type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=8, arch=dict(
            embed_dims=32, num_layers=8, num_heads=4, feedforward_channels=128))), **changes)


def test_a_teachers_prediction_is_the_target(tmp_path):
    """A flag of DMAE's released code: the whole teacher, from a file of MAE's layout."""
    weights = golden.golden('dmae.teacher.')
    torch.save(dict(model=weights), tmp_path / 'mae.pth')
    model = dmae_image(None, teacher=golden_teacher(str(tmp_path / 'mae.pth')))
    student, usual = golden.golden('dmae.student.'), load_golden(dmae_image(None))
    golden.load(model, student, IMAGE_NAMES)
    whole = MODELS.build(dict(
        type='amd_mm.MaskedAutoencoder', backbone=golden_teacher(None)['backbone'],
        mask_generator=HALF_SEEN, decoder=TEACHERS_DECODER, head=golden.pixel_head(None)))
    golden.load(whole, weights, IMAGE_NAMES)
    images = golden.golden('dmae.images')['']
    visible = golden.golden('dmae.ids_keep')[''].sort(dim=1).values
    masked = golden.golden('dmae.masked')[''].nonzero()[:, 1].reshape(len(visible), -1)
    for predicted in (masked, masked[:, ::2]):
        mask = TokenMask(visible, masked[:, :0], masked, predicted)
        with torch.no_grad():
            latent, _ = whole.backbone.encode(images, visible)
            target = whole.decoder(latent, mask)
            latent, _ = model.backbone.encode(images, visible)
            expected = (model.decoder(latent, mask) - target).pow(2).mean()
        features, pixels = model.teacher.predict(images, mask)
        torch.testing.assert_close(pixels, target, rtol=1e-5, atol=1e-6)
        assert not pixels.requires_grad
        losses, without = (one.masked_loss(images, mask) for one in (model, usual))
        assert losses['loss_rec'].item() == pytest.approx(expected.item(), rel=1e-5)
        assert losses['loss_rec'].item() != pytest.approx(without['loss_rec'].item(), rel=.01)
        assert losses['loss_dir'].item() == pytest.approx(without['loss_dir'].item(), rel=1e-5)
        assert_same(features, usual.teacher(images, visible))


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
@pytest.mark.parametrize('teacher, changes, words', [
    ({}, dict(mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', strategy='random',
                                  student_ratio=.75, teacher_ratio=.5)),
     'must see what the student sees.* got 4 tokens more'),
    (dict(mean=[0., 0., 0.], std=[255., 255., 255.]), {}, 'trained on pixels normalised as'),
    ({}, NO_DECODER, 'the student needs a decoder then, got 1 teachers'),
])
def test_predictions_that_are_no_targets_are_refused(teacher, changes, words):
    if changes is NO_DECODER:
        changes = dict(changes, taps=(4, ))
    with pytest.raises(ValueError, match=words):
        dmae_image(None, teacher=golden_teacher(None, **teacher), **changes)


@pytest.mark.parametrize('keep, decoder, words', [
    ('blocks', TEACHERS_DECODER, 'must hold a pixel decoder, but has an encoder alone'),
    ('', dict(TEACHERS_DECODER, embed_dims=24), 'must fit model.teacher.decoder exactly, but')])
def test_files_without_this_decoder_are_refused(keep, decoder, words, tmp_path):
    weights = {name: value for name, value in golden.golden('dmae.teacher.').items()
               if not keep or name.partition('_')[0] != 'decoder' and name != 'mask_token'}
    torch.save(dict(model=weights), tmp_path / 'mae.pth')
    with pytest.raises(ValueError, match=words):
        MODELS.build(golden_teacher(str(tmp_path / 'mae.pth'), decoder=decoder))


def test_frozen_mask_tokens_stay_at_their_initial_value():
    model = amd_video(dict(train_mask_tokens=False))
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert frozen == ['neck.generators.0.mask_token', 'neck.generators.1.mask_token']


def test_the_key_of_a_sample_decides_its_mask():
    model = load_golden(amd_video())
    clips = batch(model)
    together = model.loss(clips[:, None], samples(5, 6))
    alone = [model.loss(clips[i:i + 1, None], samples(key)) for i, key in enumerate((5, 6))]
    for name, value in together.items():
        assert value.item() == pytest.approx(sum(a[name].item() for a in alone) / 2, rel=1e-5)
    other = model.loss(clips[:, None], samples(5, 7))
    assert other['loss_rec'].item() != together['loss_rec'].item()


def test_without_keys_torchs_generator_decides():
    model = load_golden(amd_video())
    clips, values = batch(model), []
    for _ in range(2):
        torch.manual_seed(1)
        values.append(model.loss(clips)['loss_rec'].item())
    assert values[0] == values[1] != model.loss(clips)['loss_rec'].item()


def test_views_become_samples():
    model = load_golden(amd_video())
    clips = batch(model)
    keys = view_keys(torch.tensor([5]), views=2).tolist()
    folded = model.loss(clips[None], samples(5))
    apart = model.loss(clips[:, None], samples(*keys))
    assert folded['loss_gen'].item() == pytest.approx(apart['loss_gen'].item(), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize('with_cp', [False, True])
def test_compiled_networks_are_one_graph_and_give_the_released_numbers(with_cp):
    torch.compiler.reset()

    def compile_networks(model):
        model.train()
        model.compile_networks(backend='aot_eager', fullgraph=True)

    loss_error, gradient_error = deviations(
        *video_step(edit=compile_networks, with_cp=with_cp), 'amd.', 'amd.grad.', VIDEO_NAMES)
    assert loss_error < 1e-6 and gradient_error < 2e-5


@pytest.mark.slow
@pytest.mark.parametrize('name', CONFIGURATIONS)
def test_every_configuration_compiles_all_but_the_masks(name, monkeypatch):
    torch.compiler.reset()
    model = CONFIGURATIONS[name]()
    model.init_weights()
    images = batch(model)
    expected = model.loss(images, samples(5, 6))
    draw, compiling = model.mask_generator.forward, []
    monkeypatch.setattr(model.mask_generator, 'forward', lambda *given: (
        compiling.append(torch.compiler.is_compiling()), draw(*given))[1])
    model.compile_networks(backend='eager', fullgraph=True)
    found = model.loss(images, samples(5, 6))
    assert compiling == [False]
    assert {k: v.item() for k, v in found.items()} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, rel=1e-6)


@pytest.mark.parametrize('neck, changes, words', [
    ({}, dict(taps=(1, 2, 4)), r'as many taps, got \[1, 2, 4\] and \[3, 6\]'),
    ({}, dict(taps=(2, 5)), 'Taps of the student .* up to its depth 4'),
    ({}, dict(mask_generator=dict(type='amd_mm.AsymmetricMaskGenerator', strategy='tube',
                                  student_ratio=.9, teacher_ratio=.9)),
     'Generation alignment needs tokens that only the teacher sees'),
    ({}, dict(**NO_DECODER, mask_generator=ALL_SEEN), 'Generation .* raise the student ratio'),
    (dict(generation=None), dict(mask_generator=ALL_SEEN), 'A decoder needs masked tokens'),
    (dict(direct=None, generation=None), {}, 'must align something'),
    ({}, dict(decoder=None), 'belong together'),
    ({}, dict(**NO_DECODER, taps=(1, 2)), 'deepest student tap must be the last block 4, got 2'),
    ({}, dict(backbone=dict(
        type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8, num_frames=4,
        embed_dims=24, depth=4, num_heads=3, use_mean_pooling=False)),
     'cut the input into the same tokens'),
    ({}, dict(backbone=dict(
        type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8, num_frames=8,
        embed_dims=24, depth=4, num_heads=3)), 'must have no pooling norm'),
])
def test_what_does_not_fit_is_refused(neck, changes, words):
    with pytest.raises(ValueError, match=words):
        amd_video(neck, **changes)


@pytest.mark.parametrize('part', ['AMD', 'AlignmentNeck', 'PixelDecoder', 'PixelHead',
                                  'AsymmetricMaskGenerator', 'FrozenTeacher',
                                  'FeatureAlignmentLoss', 'MaskedAutoencoder', 'PixelLoss'])
def test_a_misspelt_argument_is_an_error(part):
    with pytest.raises(TypeError, match='misspelt'):
        MODELS.build(dict(type=f'amd_mm.{part}', misspelt=1))


def spoil(model: nn.Module) -> None:
    model.teacher.backbone.blocks[0].attn.proj.bias.data.fill_(torch.nan)


def test_a_teacher_that_gives_nan_is_refused_at_the_first_batch():
    with pytest.raises(ValueError, match='of the teacher must be finite, but at its block'):
        video_step(edit=spoil)


def test_a_student_that_gives_nan_is_not_the_teachers_fault():
    def edit(model: nn.Module) -> None:
        model.decoder.head.bias.data.fill_(torch.nan)
    model, losses = video_step(edit=edit)
    assert losses['loss_rec'].isnan() and losses['loss_dir'].isfinite()


def test_a_teacher_that_drowns_the_pixels_is_said_once(monkeypatch):
    said = []
    monkeypatch.setattr('amd_mm.models.algorithms.amd.print_log',
                        lambda text, *args, **kwargs: said.append(text))

    def enlarge(model: nn.Module) -> None:
        for block in model.teacher.backbone.blocks:
            block.attn.proj.weight.data *= 100
            block.mlp.layers[1].weight.data *= 100
    model, losses = video_step(edit=enlarge)
    model.loss(golden.golden('amd.clips')[''][:, None])
    assert len(said) == 1
    assert f'loss_dir {losses["loss_dir"]:.3g} and loss_gen {losses["loss_gen"]:.3g}' in said[0]
    assert f'beside loss_rec {losses["loss_rec"]:.3g} in the first' in said[0]
    assert "direct.normalize='layer_norm'" in said[0]
    neck = dict(AMD_NECK, direct=LAYER_NORM_L2, generation=LAYER_NORM_L2)
    video_step(neck, edit=enlarge)  # the remedy
    assert len(said) == 1


def test_what_drowns():
    only = amd_video().lessons[0]
    assert 'loss_dir 25.9 and loss_gen 36.5 beside loss_rec 0.36' in _drowning(
        only, dict(loss_dir=25.9, loss_gen=36.5, loss_rec=.36))
    assert _drowning(only, dict(loss_dir=1.8, loss_gen=1.7, loss_rec=.36)) is None
    # masked feature prediction: there are no pixels
    assert _drowning(only, dict(loss_gen=1e6)) is None


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_masks_can_hang_on_what_the_teacher_attends_to(modality):
    config = pretraining_config(modality, amd=True)
    config['mask_generator'].update(strategy=dict(type='amd_mm.AttentionMasking'))
    model = MODELS.build(config)
    randomise(model.teacher)
    images, keys = pixels(modality), torch.tensor([5, 6])
    attention = model.teacher.attention(images)
    mask = model.draw_mask(images, keys)
    expected = model.mask_generator(keys, attention=attention)
    assert all(torch.equal(a, b) for a, b in zip(mask[:4], expected[:4], strict=True))
    losses = model.masked_loss(images, mask)
    found = model.loss(images, samples(5, 6))
    assert {name: loss.item() for name, loss in found.items()} == {
        name: loss.item() for name, loss in losses.items()}
    # The more attention, the more often seen.
    many = model.mask_generator(torch.arange(2000), attention=attention[:1].expand(2000, -1))
    counts = torch.bincount(many.visible.flatten(), minlength=attention.shape[1]).float()
    frames = counts.view(model.backbone.grid.num_frames, -1)
    for count, weight in zip(frames, attention[0].view_as(frames), strict=True):
        assert torch.corrcoef(torch.stack([count, weight]))[0, 1] > .9
