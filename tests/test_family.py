"""The losses of configs/family are those that their papers and public codes compute."""
import copy
import math
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from recipes import FAMILY, shrink, small_timm
from torch import Tensor, nn

from amd_mm.models.blocks import Projections
from amd_mm.registry import MODELS
from amd_mm.tokens import TokenGrid, TokenMask, gather_tokens

pytestmark = [
    pytest.mark.filterwarnings('ignore:The teacher has random weights'),
    pytest.mark.usefixtures('_small_timm')]

MEAN, STD = torch.tensor([.485, .456, .406]), torch.tensor([.229, .224, .225])


@pytest.fixture
def _small_timm(monkeypatch):
    small_timm(monkeypatch)


@cache
def recipe(start: str) -> Config:
    """The only recipe whose name starts so."""
    path, = (path for path in FAMILY if path.stem.startswith(start))
    return Config.fromfile(path)


def built(start: str) -> nn.Module:
    """A recipe's model at reduced size, with weights that leave their marks."""
    cfg = copy.deepcopy(recipe(start))
    shrink(cfg, blocks=1)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    for lesson in getattr(model, 'lessons', ()):
        draw(lesson.teacher)
    return draw(model).eval()


def draw(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=.5 / math.sqrt(parameter[0].numel()))
        else:
            parameter.data += .1 * torch.randn(parameter.shape)
    return module


def batch(model: nn.Module) -> tuple[Tensor, TokenMask]:
    images = torch.randn(
        2, 3, *model.backbone.grid.input_size, generator=torch.Generator().manual_seed(1))
    return images, model.draw_mask(images, torch.tensor([3, 4]))


def whole(teacher: nn.Module, images: Tensor) -> list[Tensor]:
    """What a teacher of ours gives of all tokens in raster order, at its taps."""
    everything = torch.arange(teacher.grid.num_tokens).expand(len(images), -1)
    return teacher(images, everything)


def predictions(lesson, model: nn.Module, images: Tensor,
                mask: TokenMask) -> tuple[list[Tensor], list[Tensor]]:
    """The neck's outputs: at visible tokens, and at those to be predicted."""
    _, features = model.backbone.encode(images, mask.visible, lesson.taps)
    return lesson.neck(features, mask)


def smooth_l1(a: Tensor, b: Tensor) -> Tensor:
    far = (a - b).abs()
    return torch.where(far < 1, far**2 / 2, far - .5).mean()


def whitened(x: Tensor, eps: float = 1e-6) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + eps).sqrt()


def assert_losses(model: nn.Module, images: Tensor, mask: TokenMask, **expected: Tensor) -> None:
    found = model.masked_loss(images, mask)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].item() == pytest.approx(value.item(), rel=1e-6), name


def hides(mask: TokenMask, tokens: int, ratio: float, extra: Tensor) -> bool:
    """Whether a teacher sees all that a student does not, which is about this much."""
    return torch.equal(extra, mask.masked) and mask.masked.shape[1] == pytest.approx(
        ratio * tokens, abs=mask.masked.shape[1] / 4)


@torch.no_grad()
def test_salt():
    """arXiv 2509.24317, stage 2: L1 distance of a prediction to the frozen teacher's latents."""
    model = built('salt_')
    images, mask = batch(model)
    lesson, = model.lessons
    assert hides(mask, model.backbone.grid.num_tokens, .9, mask.extra)
    _, (predicted, ) = predictions(lesson, model, images, mask)
    latents = whole(lesson.teacher, images)[-1]
    assert_losses(model, images, mask, loss_gen=(
        predicted - gather_tokens(latents, mask.masked)).abs().mean())


@torch.no_grad()
def test_mvd():
    """arXiv 2212.04500: a decoder a teacher, smooth L1 at masked tokens, both added."""
    model = built('mvd_')
    images, mask = batch(model)
    image, video = model.lessons
    assert all(hides(mask, model.backbone.grid.num_tokens, .9, extra) for extra in mask.extras)
    frames = images[:, :, ::2].transpose(1, 2).flatten(0, 1)
    vit = image.teacher.network
    pixels = vit.forward_intermediates(
        frames, indices=1, norm=False, output_fmt='NLC', intermediates_only=True)[-1]
    targets = dict(
        image=pixels.reshape(2, -1, pixels.shape[-1]), video=whole(video.teacher, images)[-1])
    expected = {}
    for number, lesson in enumerate((image, video)):
        _, (predicted, ) = predictions(lesson, model, images, mask.seen_by(number))
        expected[f'loss_gen_{lesson.name}'] = smooth_l1(
            predicted, gather_tokens(targets[lesson.name], mask.masked))
    assert_losses(model, images, mask, **expected)


@pytest.mark.parametrize('start', ['tinymim_vit-small', 'tinymim_vit-base'])
@torch.no_grad()
def test_tinymim(start):
    """arXiv 2301.01296: KL of Q-K and V-V relations, in the teacher's heads, of whole pictures."""
    model = built(start)
    images, mask = batch(model)
    lesson, = model.lessons
    assert mask.masked.shape[1] == 0 and mask.visible.shape[1] == 16
    inputs = {}
    for who, encoder in dict(student=model.backbone, teacher=lesson.teacher.backbone).items():
        tap = (lesson if who == 'student' else lesson.teacher).taps[0]
        block = encoder.layers[tap - 1]
        before = encoder.encode(images, mask.visible, [tap - 1])[1][0]
        inputs[who] = block.attn.qkv(block.ln1(before)).chunk(3, -1)
    heads = lesson.teacher.backbone.layers[0].attn.num_heads

    def relation(left: Tensor, right: Tensor) -> Tensor:
        left, right = (x.reshape(*x.shape[:2], heads, -1) for x in (left, right))
        return (torch.einsum('bnhc,bmhc->bhnm', left, right) / left.shape[-1]**.5).softmax(-1)

    expected = {}
    for name, (one, other) in dict(qk=(0, 1), vv=(2, 2)).items():
        mine, theirs = (relation(inputs[who][one], inputs[who][other])
                        for who in ('student', 'teacher'))
        expected[f'loss_{name}'] = (theirs * (theirs.log() - mine.log())).sum(-1).mean()
    assert_losses(model, images, mask, **expected)


@torch.no_grad()
def test_videomae2():
    """arXiv 2303.16727, equation 3: pixels that neither encoder nor decoder mask leaves out."""
    model = built('videomae2_')
    images, mask = batch(model)
    assert mask.predicted.shape[1] == mask.masked.shape[1] - mask.masked.shape[1] // 2
    assert (mask.predicted[:, :, None] == mask.masked[:, None]).any(-1).all()
    latent, _ = model.backbone.encode(images, mask.visible)
    target = gather_tokens(normalised_pixels(images, patch=16), mask.predicted)
    assert_losses(model, images, mask, loss_rec=(
        (model.decoder(latent, mask) - target)**2).mean())


@pytest.mark.parametrize('start', [
    'amd_vit-small-p14_videomae2-giant',
    'amd_vit-small-p16_dinov2-large_b4096', 'amd_vit-small-p16_dinov3-large_b4096',
    'amd_vit-small-p16_dinov2-large_b512', 'amd_vit-small-p16_dinov3-large_b512'])
@torch.no_grad()
def test_amd(start):
    """arXiv 2311.03149, equations 5 and 6; towards layer-normalised features of DINO."""
    model = built(start)
    images, mask = batch(model)
    lesson, = model.lessons
    direct, generated = predictions(lesson, model, images, mask)
    visible, tokens = mask.visible.shape[1], mask.teacher_visible.shape[1]
    targets = [whitened(x[:, -tokens:]) if 'dino' in start else x
               for x in lesson.teacher(images, mask.teacher_visible)]
    latent, _ = model.backbone.encode(images, mask.visible)
    pixels = model.head.loss(model.decoder(latent, mask), images, mask)

    def distance(found: list[Tensor], tokens: slice) -> Tensor:
        assert len(found) == 2
        return sum(((a - b[:, tokens])**2).mean()
                   for a, b in zip(found, targets, strict=True)) / 2

    assert_losses(
        model, images, mask, **pixels, loss_dir=distance(direct, slice(visible)),
        loss_gen=distance(generated, slice(visible, None)))


@pytest.mark.parametrize('start, tokens', [
    ('feature-distillation_vit-small-p16_dinov2-large_b4096', 17),
    ('feature-distillation_vit-small-p16_dinov2-large_b512', 32)])
@torch.no_grad()
def test_feature_distillation(start, tokens):
    """Everything is seen, class token included; the last features are compared."""
    model = built(start)
    images, mask = batch(model)
    lesson, = model.lessons
    (projected, ), _ = predictions(lesson, model, images, mask)
    assert projected.shape[1] == tokens and lesson.teacher.normalize
    assert_losses(model, images, mask, loss_dir=smooth_l1(
        projected, whitened(whole(lesson.teacher, images)[-1])))


@pytest.mark.parametrize('start', ['in-manner-of-vjepa21_vit-small-p16_dinov2-large',
                                   'in-manner-of-vjepa21_vit-small-p16_videomae-large'])
@torch.no_grad()
def test_in_the_manner_of_vjepa21(start):
    """Both terms by L1 at four depths; what the paper weighs by distance has one weight here."""
    model = built(start)
    images, mask = batch(model)
    lesson, = model.lessons
    assert torch.equal(mask.extra, mask.masked)
    direct, generated = predictions(lesson, model, images, mask)
    targets = [whitened(x[:, -model.backbone.grid.num_tokens:])
               for x in whole(lesson.teacher, images)]
    assert len(direct) == len(generated) == 4

    def distance(found: list[Tensor], ids: Tensor) -> Tensor:
        return torch.stack([(a - gather_tokens(b, ids)).abs().mean()
                            for a, b in zip(found, targets, strict=True)]).mean()

    assert_losses(
        model, images, mask, loss_dir=.5 * distance(direct, mask.visible),
        loss_gen=distance(generated, mask.masked))


@torch.no_grad()
def test_in_the_manner_of_umt():
    """2 - 2 cosines at what is visible, in every frame as much, over six blocks of CLIP."""
    model = built('in-manner-of-umt_')
    images, mask = batch(model)
    lesson, = model.lessons
    per_frame = model.backbone.grid.per_frame
    assert mask.visible.div(per_frame, rounding_mode='floor').tolist() == [
        [frame for frame in range(2) for _ in range(per_frame - int(.8 * per_frame))]] * 2
    assert torch.equal(mask.extra, mask.masked) and lesson.teacher.normalize
    direct, _ = predictions(lesson, model, images, mask)
    targets = [gather_tokens(x, mask.visible) for x in whole(lesson.teacher, images)]
    assert len(direct) == len(targets) == 6
    assert_losses(model, images, mask, loss_dir=torch.stack([
        2 - 2 * (a / a.norm(dim=-1, keepdim=True) * b / b.norm(dim=-1, keepdim=True)).sum(-1)
        for a, b in zip(direct, targets, strict=True)]).mean())


@torch.no_grad()
def test_in_the_manner_of_maskalign():
    """Twice smooth L1 at class token and visible tokens, over the last five blocks of CLIP."""
    model = built('in-manner-of-maskalign_')
    images, mask = batch(model)
    lesson, = model.lessons
    assert torch.equal(mask.extra, mask.masked) and mask.visible.shape[1] == 16 - int(.7 * 16)
    direct, _ = predictions(lesson, model, images, mask)
    targets = [whitened(torch.cat([x[:, :1], gather_tokens(x[:, 1:], mask.visible)], 1))
               for x in whole(lesson.teacher, images)]
    assert len(direct) == len(targets) == 5
    assert_losses(model, images, mask, loss_dir=2 * sum(
        smooth_l1(a, b) for a, b in zip(direct, targets, strict=True)) / 5)


@torch.no_grad()
def test_in_the_manner_of_mgmae():
    """VideoMAE's loss, at what a mask that follows the clip hides."""
    model = built('in-manner-of-mgmae_')
    images, mask = batch(model)
    assert model.mask_generator.needs == {'images'}
    latent, _ = model.backbone.encode(images, mask.visible)
    target = gather_tokens(normalised_pixels(images, patch=16), mask.masked)
    assert_losses(model, images, mask, loss_rec=(
        (model.decoder(latent, mask) - target)**2).mean())


# Numbers that the public codes gave for made tensors, in float32, and their sources.


def wave(*shape: int, step: float) -> Tensor:
    """Sines of equidistant angles, in this shape."""
    angles = step * torch.arange(math.prod(shape), dtype=torch.float64)
    return angles.sin().float().reshape(shape)


def normalised_pixels(images: Tensor, patch: int) -> Tensor:
    """(B, N, pixels): each channel of a tubelet of 2 frames on the 0-1 scale, normalised."""
    pixels = (images.movedim(1, -1) * STD + MEAN).movedim(-1, 1)
    pixels = pixels.unflatten(4, (-1, patch)).unflatten(3, (-1, patch)).unflatten(2, (-1, 2))
    pixels = pixels.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4, 6).flatten(1, 3)
    mean, deviation = pixels.mean(2, keepdim=True), pixels.std(2, keepdim=True)
    return ((pixels - mean) / (deviation + 1e-6)).flatten(2)


# Of 32 tokens of 2 x 8 x 8 pixels.
VISIBLE = [0, 5, 16, 21]
MASKED = torch.tensor([place for place in range(32) if place not in VISIBLE]).expand(2, -1)


def test_videomae2_gives_the_number_of_its_code():
    """OpenGVLab/VideoMAEv2@29eab1e8a588, engine_for_pretraining.py."""
    images = wave(2, 3, 4, 32, 32, step=.37)
    # The decoder is asked for every second token, also for those that the encoder sees.
    asked = list(range(0, 32, 2))
    counted = [place for place, token in enumerate(asked) if token not in VISIBLE]
    predicted = torch.tensor([asked[place] for place in counted]).expand(2, -1)
    mask = TokenMask(torch.tensor(VISIBLE).expand(2, -1), MASKED[:, :0], MASKED, predicted)
    head = MODELS.build(recipe('videomae2_').model.head, default_args=dict(
        grid=TokenGrid((2, 4, 4), (2, 8, 8)), mean=MEAN.tolist(), std=STD.tolist()))
    found = head.loss(wave(2, 16, 2 * 64 * 3, step=.11)[:, counted], images, mask)
    assert found['loss_rec'].item() == pytest.approx(1.4970358610153198, rel=1e-6)


def test_mvd_gives_the_numbers_of_its_code():
    """ruiwang2021/mvd@45b877a6d182, engine_for_pretraining.py."""
    images = wave(2, 3, 4, 32, 32, step=.37)
    cells = images.reshape(2, 3, 2, 2, 4, 8, 4, 8)
    pictures = 3 * cells[:, :, :, 0].mean((4, 6)).flatten(2).transpose(1, 2).repeat(1, 1, 2)
    clips = 2 * cells.amax((3, 5, 7)).flatten(2).transpose(1, 2)[..., [0, 1, 2, 0, 1]]
    image, video = (MODELS.build(entry.neck.generation) for entry in recipe('mvd_').model.teacher)
    losses = (
        image(2 * wave(2, 28, 6, step=.3), gather_tokens(pictures, MASKED)).item(),
        video(2 * wave(2, 28, 5, step=.4), gather_tokens(clips, MASKED)).item())
    assert losses == pytest.approx((.8269863128662109, 1.5713163614273071), rel=1e-6)
    # As its loop adds them.
    assert sum(losses) == pytest.approx(2.3983025550842285, rel=1e-6)


def test_tinymim_gives_the_numbers_of_its_code():
    """OliverRensu/TinyMIM@d0847051aa00, vit.py and models_tinymim.py."""

    def projections(width: int, inputs: Tensor, step: float) -> Projections:
        qkv = F.linear(inputs, wave(3 * width, width, step=step), wave(3 * width, step=.5))
        return Projections(*qkv.unflatten(-1, (3, 4, -1)).unbind(2))

    student = projections(12, wave(2, 5, 12, step=.9), .23)
    teacher = projections(8, wave(2, 5, 8, step=1.1), .31)
    neck = MODELS.build(recipe('tinymim_vit-small').model.neck, default_args=dict(
        student_dims=12, teacher_dims=8, num_pairs=1, grid=TokenGrid((2, 2), (8, 8))))
    everything = torch.arange(4).expand(2, -1)
    nothing = everything[:, :0]
    losses = neck.loss([student], [teacher], TokenMask(everything, nothing, nothing, nothing))
    assert losses['loss_qk'].item() == pytest.approx(.47884511947631836, rel=1e-6)
    assert losses['loss_vv'].item() == pytest.approx(.531147837638855, rel=1e-6)


def test_the_distance_of_umt_gives_the_number_of_its_code():
    """OpenGVLab/unmasked_teacher@4fb4049f5a87, engines/engine_for_pretraining_umt.py."""
    loss = MODELS.build(recipe('in-manner-of-umt_').model.neck.direct)
    found = loss(wave(4, 10, 8, step=.6), wave(4, 10, 8, step=.8))
    assert found.item() == pytest.approx(1.974470853805542, rel=1e-6)


def test_the_distance_of_maskalign_gives_the_number_of_its_code():
    """OpenDriveLab/maskalign@250d018a0724, models_pretrain.py; its norm has another epsilon."""
    loss = MODELS.build(recipe('in-manner-of-maskalign_').model.neck.direct)
    seen = torch.tensor([[0, 2, 5], [1, 3, 4]])
    losses = []
    for level in (1, 2):
        teacher = 2 * wave(2, 7, 8, step=.3 + .1 * level)
        teacher = torch.cat([teacher[:, :1], gather_tokens(teacher[:, 1:], seen)], 1)
        losses.append(loss(wave(2, 4, 8, step=.15 + .2 * level), teacher).item())
    assert sum(losses) / 2 == pytest.approx(1.0599170923233032, rel=1e-5)


@pytest.mark.parametrize(
    'path', [path for path in FAMILY
             if not path.stem.startswith(('videomae2_', 'in-manner-of-mgmae_'))],
    ids=lambda path: path.stem)
def test_a_recipe_without_a_teachers_file_stops_and_says_where_to_name_it(path):
    place = r'model\.teacher\.0\.teacher' if path.stem.startswith('mvd_') else r'model\.teacher'
    with pytest.raises(ValueError, match=rf'{place}\.checkpoint=FILE'):
        MODELS.build(Config.fromfile(path).model)
