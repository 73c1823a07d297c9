"""Parts of one's own, in one's own file, in every place that a config has for parts."""
import sys

import pytest
import tiny_vits
import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from PIL import Image
from recipes import CONFIGS, shorten, shrink
from runs import run
from torch import nn

from amd_mm.command_line import read_config_file
from amd_mm.config_keys import check_keys
from amd_mm.models.backbones import ImageVisionTransformer, VideoVisionTransformer
from amd_mm.models.masks import AsymmetricMaskGenerator
from amd_mm.models.necks import Neck
from amd_mm.models.teachers import FrozenTeacher
from amd_mm.registry import MODELS as OURS

EXAMPLE = CONFIGS.parent / 'examples/own_parts'


@pytest.fixture
def nothing_stays(monkeypatch):
    """Takes back what a config imports and registers, and where it was looked for."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    before, modules = dict(MODELS._module_dict), set(sys.modules)
    yield
    MODELS._module_dict.clear()
    MODELS._module_dict.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith('my_'):
            del sys.modules[name]


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / 'pictures').mkdir()
    for number in range(4):
        pixels = torch.randint(256, (80, 80, 3), generator=torch.Generator().manual_seed(number))
        Image.fromarray(pixels.byte().numpy()).save(tmp_path / f'pictures/{number}.png')
    return tmp_path / 'pictures'


def test_the_example_trains_with_its_loss_and_its_masks(nothing_stays, pictures, tmp_path,
                                                        monkeypatch):
    # Neither PYTHONPATH nor the current folder leads to the parts.
    monkeypatch.chdir(tmp_path)
    cfg = read_config_file(EXAMPLE / 'my_config.py')
    cfg.train_dataloader.dataset.dataset = dict(
        type='amd_mm.PictureDataset', data_prefix=str(pictures), with_label=False,
        pipeline=[dict(type='amd_mm.LoadPicture')])
    cfg.global_batch_size = cfg.train_dataloader.batch_size = 2
    cfg.work_dir, cfg.experiment_name = str(tmp_path / 'run'), 'own_parts'
    shrink(cfg)
    shorten(cfg)
    check_keys(cfg)
    model = run(cfg).model

    # 4 x 4 places of which the student sees 4: some of the 12 of the rim; the teacher 4 more.
    rim = {place for place in range(16) if place // 4 in (0, 3) or place % 4 in (0, 3)}
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mask = model.draw_mask(images, torch.tensor([1, 2, 3]))
    assert mask.teacher_visible.shape == (3, 8)
    assert all(set(row) <= rim for row in mask.teacher_visible.tolist())
    assert mask.visible[0].tolist() != mask.visible[1].tolist()
    # sqrt(9 + 16) - 4 and sqrt(0 + 16) - 4
    loss = MODELS.build(dict(type='CharbonnierAlignment', epsilon=4., loss_weight=3.))
    assert loss(torch.tensor([3., 7.]), torch.tensor([0., 7.])).item() == pytest.approx(1.5)
    assert type(model.neck.direct) is type(model.neck.generation) is type(loss)


class OwnLoss(nn.Module):
    """The mean difference: its gradient is one over the number of values."""

    def forward(self, prediction, target):
        return (prediction - target).mean()


class OwnNeck(Neck):
    reads = 'features'
    align_cls_token = generates = takes_raw_features = False

    def __init__(self, student_dims, teacher_dims, **facts):
        super().__init__()
        self.layer = nn.Linear(student_dims, teacher_dims)

    def loss(self, features, teacher_features, mask):
        student = self.layer(mask.split_student(features[-1]).visible)
        teacher = mask.split_teacher(teacher_features[-1]).visible
        return dict(loss_own=(student - teacher).square().mean())


class OwnTeacher(FrozenTeacher):
    """Teaches the negative of what another one does."""

    def features(self, images, token_ids):
        return [-found for found in super().features(images, token_ids)]


class OwnDecoder(nn.Module):
    """Says of every masked token the mean of what is seen."""

    def __init__(self, in_dims, grid, num_prefix_tokens, channels, with_cp):
        super().__init__()
        self.layer = nn.Linear(in_dims, channels * torch.Size(grid.patch).numel())

    def forward(self, latent, mask):
        return self.layer(latent.mean(1, keepdim=True)).expand(-1, mask.predicted.shape[1], -1)


class OwnHead(nn.Module):
    def __init__(self, grid, mean, std):
        super().__init__()

    def loss(self, prediction, images, mask, target=None):
        return dict(loss_rec=prediction.square().mean())


class OwnMasks(AsymmetricMaskGenerator):
    """Gives all samples one mask."""

    def forward(self, keys, images=None, attention=None):
        return super().forward(torch.zeros_like(keys), images, attention)


class OwnImageEncoder(ImageVisionTransformer):
    pass


class OwnVideoEncoder(VideoVisionTransformer):
    pass


SLOTS = {
    'neck.direct': OwnLoss, 'neck.generation': OwnLoss, 'head.loss': OwnLoss, 'neck': OwnNeck,
    'teacher': OwnTeacher, 'decoder': OwnDecoder, 'head': OwnHead, 'mask_generator': OwnMasks,
    'backbone': dict(image=OwnImageEncoder, video=OwnVideoEncoder)}
# Settings stay where the part is a kind of ours.
KEEPS_SETTINGS = ('teacher', 'mask_generator', 'backbone')


@pytest.mark.parametrize('modality', ['image', 'video'])
@pytest.mark.parametrize('slot', SLOTS)
@pytest.mark.parametrize('scope', ['', 'amd_mm.'])
def test_every_place_takes_a_part_of_ones_own(slot, modality, scope, nothing_stays, monkeypatch):
    own = SLOTS[slot][modality] if slot == 'backbone' else SLOTS[slot]
    monkeypatch.setitem((OURS if scope else MODELS)._module_dict, own.__name__, own)
    config = tiny_vits.pretraining_config(modality, amd=True)
    *way, last = slot.split('.')
    owner = config
    for name in way:
        owner[name] = owner = dict(owner[name])
    kept = owner[last] if slot in KEEPS_SETTINGS else {}
    owner[last] = dict(kept, type=scope + own.__name__)
    check_keys(Config(dict(model=config, default_scope='mmaction')))
    torch.manual_seed(0)
    model = OURS.build(config)
    assert type(model.get_submodule(slot.replace('head.loss', 'head.loss_module'))
                if slot != 'teacher' else model.teacher) is own
    images = tiny_vits.pixels(modality)
    losses = model.loss(images if modality == 'image' else images[:, None])
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
