"""Our parts in the hosts' own configs, trained by the hosts' own ``tools/train.py``.

The stock configs and their data sets stay as they are, but for the amount of data and the
epochs; only ``custom_imports`` and ``model`` are ours. The student then goes into the hosts'
stock fine-tuning configs by ``init_cfg`` alone.
"""
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import write_video
from losses import AMD_NECK, pixel_head
from mmengine.config import Config

from amd_mm.registry import MODELS

REPO = Path(__file__).parents[1]
PATCH = 32
# Written in docs/recipes.md: what makes `host::` paths work where MMEngine alone cannot read them.
IMPORT_FIRST = ('-c', 'import runpy, sys, amd_mm; del sys.argv[0]; '
                "runpy.run_path(sys.argv[0], run_name='__main__')")


@dataclass
class Host:
    """A host library and two of its stock configs."""

    name: str
    pretrain: str
    finetune: str
    # Command-line arguments that a model without labels needs.
    options: tuple[str, ...]
    # Of the backbone, between pre-training and fine-tuning.
    norms: tuple[str, str]

    @property
    def mim(self) -> Path:
        return Path(find_spec(self.name).origin).parent / '.mim'


HOSTS = dict(
    image=Host(
        'mmpretrain', 'mae/mae_vit-base-p16_8xb512-amp-coslr-300e_in1k.py',
        'mae/benchmarks/vit-base-p16_8xb128-coslr-100e_in1k.py', (), ('ln1', 'ln2')),
    video=Host(
        'mmaction', 'recognition/slowonly/slowonly_r50_8xb16-8x8x1-256e_kinetics400-rgb.py',
        'recognition/videomae/vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400.py',
        ('--no-validate', ), ('norm', 'fc_norm')))


def backbone(modality: str, width: int, depth: int) -> dict:
    """The arguments that our class and the host's share, as the stock data wants them."""
    if modality == 'image':
        return dict(img_size=224, patch_size=PATCH, arch=dict(
            embed_dims=width, num_layers=depth, num_heads=2, feedforward_channels=4 * width))
    return dict(img_size=224, patch_size=PATCH, num_frames=8, embed_dims=width, depth=depth,
                num_heads=2)


def amd(modality: str) -> dict:
    """The `model` that replaces the stock config's."""
    own, ours = {}, dict(type=f'amd_mm.{modality.capitalize()}VisionTransformer')
    if modality == 'video':
        ours.update(use_mean_pooling=False)
        own['data_preprocessor'] = dict(
            type='mmaction.ActionDataPreprocessor', mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375], format_shape='NCTHW')
    return dict(
        _delete_=True, type='amd_mm.AMD', **own,
        backbone=dict(**ours, **backbone(modality, 24, 2)),
        teacher=dict(type='amd_mm.FrozenTeacher', taps=(2, ), checkpoint=None,
                     backbone=dict(**ours, **backbone(modality, 32, 2))),
        taps=(2, ),
        mask_generator=dict(
            type='amd_mm.AsymmetricMaskGenerator',
            strategy='random' if modality == 'image' else 'tube',
            student_ratio=0.9, teacher_ratio=0.75),
        neck=AMD_NECK,
        decoder=dict(type='amd_mm.PixelDecoder', embed_dims=16, depth=1, num_heads=2),
        head=pixel_head('token'))


def write_data(modality: str, root: Path) -> None:
    """Two samples where the stock data set looks for them, below the working folder."""
    if modality == 'image':
        folder = root / 'data/imagenet'
        for sub in ('meta', 'train'):
            (folder / sub).mkdir(parents=True)
        for number in range(2):
            picture = np.random.default_rng(number).integers(0, 256, (60, 80, 3), np.uint8)
            cv2.imwrite(str(folder / f'train/{number}.JPEG'), picture)
        (folder / 'meta/train.txt').write_text('0.JPEG 0\n1.JPEG 1\n')
    else:
        folder = root / 'data/kinetics400'
        (folder / 'videos_train').mkdir(parents=True)
        for number in range(2):
            write_video(folder / f'videos_train/{number}.mp4', frames=30)
        (folder / 'kinetics400_train_list_videos.txt').write_text('0.mp4 0\n1.mp4 1\n')


def pretrain(modality: str, root: Path, base: str, launch: tuple[str, ...] = ()) -> dict:
    """Trains an epoch of one iteration by the host's command; the checkpoint's weights."""
    host = HOSTS[modality]
    write_data(modality, root)
    config = root / 'drop_in.py'
    config.write_text(f'''
_base_ = {base!r}
custom_imports = dict(imports=['amd_mm'])
model = {amd(modality)!r}
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)
train_cfg = dict(max_epochs=1)
default_hooks = dict(checkpoint=dict(interval=1))
''')
    result = subprocess.run(
        [sys.executable, *launch, str(host.mim / 'tools/train.py'), str(config),
         '--work-dir', 'work', *host.options,
         # mmpretrain's command sets it to True again.
         *(['--no-persistent-workers'] if modality == 'image' else [])],
        cwd=root, capture_output=True, text=True,
        env=dict(os.environ, OMP_NUM_THREADS='1',
                 PYTHONPATH=os.pathsep.join([str(REPO), os.environ.get('PYTHONPATH', '')])))
    assert result.returncode == 0, result.stderr[-3000:]
    for name in ('loss_rec', 'loss_dir', 'loss_gen'):
        assert name in result.stdout + result.stderr
    return torch.load(root / 'work/epoch_1.pth', weights_only=True)['state_dict']


@pytest.fixture(scope='module', params=['image', 'video'])
def pretrained(request, tmp_path_factory):
    """Modality, checkpoint file and weights of a student pre-trained by its host."""
    root = tmp_path_factory.mktemp(request.param)
    host = HOSTS[request.param]
    weights = pretrain(request.param, root, str(host.mim / 'configs' / host.pretrain))
    return request.param, root / 'work/epoch_1.pth', weights


def test_the_hosts_command_trains_the_student_and_saves_no_teacher(pretrained):
    modality, _, weights = pretrained
    assert not any('teacher' in name for name in weights)
    torch.manual_seed(0)
    untrained = MODELS.build({k: v for k, v in amd(modality).items() if k != '_delete_'})
    assert set(weights) == set(untrained.state_dict())
    assert all(value.isfinite().all() for value in weights.values())


def finetune_backbone(modality: str, checkpoint: Path, folder: Path,
                      ours: bool) -> torch.nn.Module:
    """The backbone of the host's stock fine-tuning config with our checkpoint in it."""
    host = HOSTS[modality]
    changes = dict(
        backbone(modality, 24, 2),
        init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint), prefix='backbone.'))
    if modality == 'image':
        changes['arch']['_delete_'] = True
    if ours:
        changes['type'] = f'amd_mm.{modality.capitalize()}VisionTransformer'
    head = dict(in_channels=24)
    config = folder / 'finetune.py'
    config.write_text(f'''
_base_ = '{host.name}::{host.finetune}'
custom_imports = dict(imports=['amd_mm'])
model = dict(backbone={changes!r}, {'head' if modality == 'image' else 'cls_head'}={head!r})
''')
    model = MODELS.build(Config.fromfile(config).model)
    model.init_weights()
    model.eval()
    return model.backbone


def test_the_student_goes_into_the_stock_fine_tuning_config(pretrained, tmp_path):
    modality, checkpoint, weights = pretrained
    norm, pooling_norm = HOSTS[modality].norms
    student = {name.removeprefix('backbone.'): value for name, value in weights.items()
               if name.startswith('backbone.')}
    shape = (1, 3, 224, 224) if modality == 'image' else (1, 3, 8, 224, 224)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    outputs = []
    for ours in (False, True):
        backbone = finetune_backbone(modality, checkpoint, tmp_path, ours)
        assert type(backbone).__module__.startswith('amd_mm') == ours
        loaded = backbone.state_dict()
        assert student.keys() - loaded.keys() == {f'{norm}.weight', f'{norm}.bias'}
        assert loaded.keys() - student.keys() == {
            f'{pooling_norm}.weight', f'{pooling_norm}.bias'}
        for name in student.keys() & loaded.keys():
            assert torch.equal(loaded[name], student[name]), name
        with torch.no_grad():
            output = backbone(inputs)
        outputs.append(output[-1] if isinstance(output, tuple) else output)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-4, atol=1e-5)


def test_a_path_into_a_package_works_where_amd_mm_is_imported_first(tmp_path):
    host = HOSTS['video']
    weights = pretrain('video', tmp_path, f'{host.name}::{host.pretrain}', IMPORT_FIRST)
    assert any(name.startswith('backbone.') for name in weights)
