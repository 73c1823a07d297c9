"""Every recipe loads, is what its name says, builds and learns."""
import copy
import math
import re
import socket
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_video
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.optim import build_optim_wrapper
from mmengine.registry import Registry, root
from mmengine.structures import BaseDataElement
from recipes import (
    CONFIGS,
    ENCODERS,
    FAMILY,
    FOLDERS,
    RECIPES,
    encoder_size,
    nodes,
    shorten,
    shrink,
    small_timm,
)
from runs import toy_config

import amd_mm.registry
from amd_mm.engine import build_training_runner
from amd_mm.registry import MODELS

pytestmark = pytest.mark.filterwarnings('ignore:The teacher has random weights')

NAME = re.compile(
    r'(?P<method>amd|dmae|mae|videomae)_vit-(?P<size>small|base|large)-p16'
    r'(-visible(?P<visible>\d+))?'
    r'_b(?P<batch>\d+)'
    r'(-(?P<clip_len>\d+)x(?P<interval>\d+)x1)?-(?P<epochs>\d+)e_'
    r'(?P<data>kinetics400-rgb|sthv2-rgb|in1k)')
# Losses by the method that a file's name begins with; the others have the pixels' alone.
LOSSES = {
    'amd': ['loss_dir', 'loss_gen', 'loss_rec'],
    'dmae': ['loss_dir', 'loss_rec'],
    'feature-distillation': ['loss_dir'],
    'in-manner-of-maskalign': ['loss_dir'],
    'in-manner-of-umt': ['loss_dir'],
    'in-manner-of-vjepa21': ['loss_dir', 'loss_gen'],
    'mvd': ['loss_gen_image', 'loss_gen_video'],
    'salt': ['loss_gen'],
    'tinymim': ['loss_qk', 'loss_vv'],
}
# Global batch and learning rate per 256 samples (videos, images).
RATES = dict(video=(512, 1.2e-3), image=(4096, 1.5e-4))

every_recipe = pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
every_pretraining = pytest.mark.parametrize(
    'path', RECIPES + FAMILY, ids=lambda path: path.stem)


def modality(cfg: Config) -> str:
    return 'video' if 'Video' in cfg.model.backbone.type else 'image'


def registry_of(name: str) -> Registry | None:
    """Our registry that knows the type ``amd_mm.Name``."""
    return next((registry for registry in vars(amd_mm.registry).values()
                 if isinstance(registry, Registry) and registry.scope == 'amd_mm'
                 and registry.get(name) is not None), None)


@cache
def reduced(path: Path) -> Config:
    cfg = Config.fromfile(path)
    # Family taps lie too close to be thinned out.
    shrink(cfg, blocks=1 if path in FAMILY else 3)
    return cfg


def batch_for(cfg: Config, samples: int = 2) -> dict:
    """Random uint8 pictures with the keys that our data sets give."""
    side = cfg.model.backbone.img_size
    shape = (1, 3, 4, side, side) if modality(cfg) == 'video' else (3, side, side)
    generator = torch.Generator().manual_seed(0)
    return dict(
        inputs=[torch.randint(256, shape, dtype=torch.uint8, generator=generator)
                for _ in range(samples)],
        data_samples=[BaseDataElement(metainfo=dict(sample_key=key)) for key in range(samples)])


def test_the_promised_recipes_are_there():
    names = {NAME.fullmatch(path.stem).group('method', 'size', 'data') for path in RECIPES}
    videos = ('kinetics400-rgb', 'sthv2-rgb')
    assert names == {
        *(('amd', size, data) for size in ('small', 'base') for data in (*videos, 'in1k')),
        *(('videomae', size, data) for size in ENCODERS for data in videos),
        *(('mae', size, 'in1k') for size in ('base', 'large')), ('dmae', 'base', 'in1k')}


@every_recipe
def test_name_and_content_agree(path):
    said = NAME.fullmatch(path.stem).groupdict()
    cfg = Config.fromfile(path)
    model, loader = cfg.model, cfg.train_dataloader

    assert path.parent.name == said['method']
    assert encoder_size(model.backbone) == ENCODERS[said['size']]
    assert model.backbone.patch_size == 16
    assert ('teacher' in model) == (said['method'] in ('amd', 'dmae'))
    if 'teacher' in model:
        assert encoder_size(model.teacher.backbone) == ENCODERS['large']
        assert 'checkpoint' not in model.teacher
    assert model.mask_generator.get('student_visible') == (
        int(said['visible']) if said['visible'] else None)

    global_batch, rate = RATES[modality(cfg)]
    assert int(said['batch']) == cfg.global_batch_size == global_batch
    assert cfg.auto_scale_lr.base_batch_size == global_batch
    assert 'accumulative_counts' not in cfg.optim_wrapper
    # As released, on 32 GPUs.
    assert loader.batch_size == global_batch // 32
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(rate * global_batch / 256)

    assert cfg.train_cfg.max_epochs == int(said['epochs'])
    assert 'end' not in cfg.param_scheduler[-1]
    if said['clip_len']:
        assert model.backbone.num_frames == int(said['clip_len'])
        sampling = next(t for t in loader.dataset.dataset.pipeline if 'clip_len' in t)
        assert sampling.clip_len == int(said['clip_len'])
        assert sampling.frame_interval == int(said['interval'])
    folder = said['data'].removesuffix('-rgb').replace('in1k', 'imagenet')
    assert f'data/{folder}' in str(loader.dataset.dataset)


@pytest.mark.parametrize('folder', [
    *FOLDERS, 'detection', 'detection_coco', 'evidence', 'family', 'finetune', 'probe',
    'quickstart', 'segmentation'])
def test_metafile_and_readme_list_every_recipe(folder):
    meta = load(CONFIGS / folder / 'metafile.yml')
    models = {model['Name']: model for model in meta['Models']}
    recipes = {path.stem: path for path in (CONFIGS / folder).rglob('*.py')
               if '_base_' not in path.parts}
    assert set(models) == set(recipes)
    for name, model in models.items():
        assert model['Config'] == str(recipes[name].relative_to(CONFIGS.parent))
        assert model['In Collection'] == meta['Collections'][0]['Name']
        cfg = Config.fromfile(recipes[name])
        if 'knn' not in name:
            assert model['Metadata']['Epochs'] == cfg.train_cfg.max_epochs
            assert model['Metadata']['Batch Size'] == cfg.global_batch_size
    named = re.findall(r'`([^`]+\.py)`', (CONFIGS / folder / 'README.md').read_text())
    patterns = [re.escape(name).replace(r'\*', '.*') for name in named]
    patterns = [re.sub(r'\\{([^}]*)\\}', lambda m: f'({m[1].replace(",", "|")})',
                       re.sub(r'\\\[([^]]*)\\\]', r'(\1)?', pattern)) for pattern in patterns]
    for name, path in recipes.items():
        assert 'large_teachers' in path.parts or any(
            re.fullmatch(pattern, path.name) for pattern in patterns), name


@every_pretraining
def test_leaf_is_short(path):
    lines = path.read_text().splitlines()
    assert sum(bool(line.strip()) and not line.startswith('#') for line in lines) <= 20


@every_pretraining
def test_types_say_whose_they_are(path):
    mmengine = set().union(*(registry.module_dict for registry in vars(root).values()
                             if isinstance(registry, Registry)))
    types = {node['type'] for node in nodes(Config.fromfile(path)._cfg_dict) if 'type' in node}
    for name in types:
        scope, _, rest = name.partition('.')
        if not rest:
            assert name in mmengine, name
        elif scope == 'amd_mm' and '.' not in rest:
            assert registry_of(name), name
        else:
            assert scope in ('amd_mm', 'mmpretrain', 'mmaction', 'mmengine'), name


@every_pretraining
def test_one_step_at_reduced_size_without_a_network(path, monkeypatch):
    def refuse(*args):
        raise AssertionError('a recipe must not reach for the network')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    small_timm(monkeypatch)
    torch.manual_seed(0)
    cfg = reduced(path)
    model = MODELS.build(cfg.model)
    model.init_weights()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    before = {name: p.detach().clone() for name, p in trained.items()}
    gradients = {}
    for name, parameter in trained.items():
        parameter.register_hook(lambda grad, name=name: gradients.update({name: grad}))

    model.train()
    log = model.train_step(batch_for(cfg), optim_wrapper)

    assert sorted(name for name in log if name != 'loss') == LOSSES.get(
        path.stem.partition('_')[0], ['loss_rec'])
    assert math.isfinite(log['loss'])
    # No dead parameters: each has a finite gradient that is not all zero.
    assert set(gradients) == set(trained)
    for name, gradient in gradients.items():
        assert gradient.isfinite().all() and gradient.any(), name
    for name, parameter in trained.items():
        assert not torch.equal(parameter, before[name]), name
    for lesson in getattr(model, 'lessons', ()):
        assert all(p.grad is None and not p.requires_grad for p in lesson.teacher.parameters())
        assert not any('teacher' in name for name in model.state_dict())


@pytest.mark.parametrize('method', ['amd', 'dmae', 'mae', 'videomae'])
def test_weight_decay_spares_vectors_and_mask_tokens(method):
    cfg = reduced(next(path for path in RECIPES if path.parent.name == method))
    model = MODELS.build(cfg.model)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    decay = {id(p): group['weight_decay'] for group in optimizer.param_groups
             for p in group['params']}
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(decay) == len(trained)
    if modality(cfg) == 'video':
        assert {'backbone.blocks.0.attn.q_bias', 'backbone.blocks.0.attn.v_bias'} <= set(trained)
    for name, parameter in trained.items():
        # Mask tokens of clips do not decay (AMD, VideoMAE), those of images do (MAE, DMAE).
        spared = parameter.ndim == 1 or 'mask_token' in name and modality(cfg) == 'video'
        assert decay[id(parameter)] == (0 if spared else 0.05), name
    assert optimizer.defaults['betas'] == (0.9, 0.95)
    assert isinstance(optimizer, torch.optim.AdamW)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb',
                                  'amd/amd_vit-small-p16_b4096-800e_in1k'])
def test_accumulated_batches_make_the_same_update(name):
    """32 samples an update: one batch of 32, 4 of 8, 32 of 1 with recomputation."""
    gradients = {}
    for at_once in (32, 8, 1):
        torch.manual_seed(0)
        cfg = reduced(CONFIGS / f'{name}.py')
        model = MODELS.build(dict(cfg.model, with_cp=at_once == 1))
        model.init_weights()
        model.train()
        optim_wrapper = build_optim_wrapper(
            model, dict(cfg.optim_wrapper, accumulative_counts=32 // at_once))
        optim_wrapper.optimizer.step = lambda: None
        optim_wrapper.optimizer.zero_grad = lambda: None
        # What the loop tells the wrapper: nothing is left over at the end.
        optim_wrapper.initialize_count_status(model, 0, 32 // at_once)
        data_batch = batch_for(cfg, samples=32)
        for first in range(0, 32, at_once):
            model.train_step({key: value[first:first + at_once]
                              for key, value in data_batch.items()}, optim_wrapper)
        gradients[at_once] = {name: p.grad for name, p in model.named_parameters()
                              if p.grad is not None}
    for at_once in (1, 8):
        for weight, expected in gradients[32].items():
            torch.testing.assert_close(gradients[at_once][weight], expected, rtol=1e-3,
                                       atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize('name, lowest, warmup, epochs', [
    ('amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb', 2e-5, 10, 200),
    ('amd/amd_vit-small-p16_b4096-800e_in1k', 0., 40, 800),
    ('dmae/dmae_vit-base-p16_b4096-100e_in1k', 0., 20, 100),
    ('mae/mae_vit-large-p16_b4096-800e_in1k', 0., 40, 800),
    # Of another length the same curve, down to the same rate.
    ('amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb', 2e-5, 10, 50),
])
def test_learning_rate_is_the_released_curve(name, lowest, warmup, epochs, tmp_path):
    per_epoch = 3
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.train_cfg.max_epochs = epochs
    peak = cfg.optim_wrapper.optimizer.lr
    rates = curve(cfg, per_epoch, tmp_path)

    rising = np.linspace(0, peak, warmup * per_epoch)
    angle = np.pi * np.arange((epochs - warmup) * per_epoch) / ((epochs - warmup) * per_epoch)
    falling = lowest + (peak - lowest) * (1 + np.cos(angle)) / 2
    np.testing.assert_allclose(rates, np.concatenate([rising, falling]), rtol=1e-6, atol=3e-9)


def curve(cfg: Config, per_epoch: int, work_dir: Path) -> list[float]:
    """The rate of every update, with the schedulers that MMEngine's Runner builds."""
    run = toy_config(work_dir, size=per_epoch, batch_size=1, max_epochs=cfg.train_cfg.max_epochs,
                     optimizer=dict(type='SGD', lr=cfg.optim_wrapper.optimizer.lr))
    run.param_scheduler = cfg.param_scheduler
    runner = build_training_runner(run)
    # As Runner.train does.
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    schedulers = runner.build_param_scheduler(runner.param_schedulers)
    optimizer = runner.optim_wrapper.optimizer
    rates = []
    for _ in range(runner.max_iters):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return rates


@cache
def trained() -> dict[Path, Config]:
    """Every recipe that trains, as it stands."""
    return {path: Config.fromfile(path) for path in sorted(CONFIGS.rglob('*.py'))
            if '_base_' not in path.parts and 'knn' not in path.name}


def schedules() -> dict[str, Config]:
    """One recipe for each schedule that falls to the end; steps are tested in detection_coco."""
    return {str((cfg.train_cfg.max_epochs, cfg.param_scheduler)): copy.deepcopy(cfg)
            for cfg in trained().values() if cfg.param_scheduler[-1].type != 'MultiStepLR'}


@pytest.mark.slow
@pytest.mark.parametrize('epochs', [None, 50])
def test_rates_rise_to_the_peak_and_end_with_the_training(epochs, tmp_path):
    per_epoch = 4
    for number, (name, cfg) in enumerate(schedules().items()):
        cfg.train_cfg.max_epochs = epochs or cfg.train_cfg.max_epochs
        warm_up, fall = cfg.param_scheduler
        peak = cfg.optim_wrapper.optimizer.lr
        rates = curve(cfg, per_epoch, tmp_path / str(number))
        first = int(warm_up.end * per_epoch)
        assert fall.begin == warm_up.end and 'end' not in fall, name
        assert rates[0] == pytest.approx(peak * warm_up.start_factor), name
        assert max(rates) == rates[first] == pytest.approx(peak), name
        floor = fall.get('eta_min', peak * fall.get('eta_min_ratio', 0))
        steps = len(rates) - first
        left = ((1 + math.cos(math.pi * (steps - 1) / steps)) / 2
                if fall.type == 'CosineAnnealingLR' else 0)  # PolyLR's last step is its end
        last = floor + (peak - floor) * left
        assert rates[-1] == pytest.approx(last, rel=1e-6), name


@pytest.mark.slow
def test_the_end_that_is_filled_in_is_the_one_that_was_written(tmp_path):
    """Bit for bit: the curve with and without the cosine's end and length in the config."""
    for number, (name, cfg) in enumerate(schedules().items()):
        written = copy.deepcopy(cfg)
        fall, epochs = written.param_scheduler[-1], cfg.train_cfg.max_epochs
        fall.update(end=epochs)
        if fall.type == 'CosineAnnealingLR':
            fall.T_max = epochs - fall.begin
        assert curve(cfg, 4, tmp_path / f'{number}') == curve(
            written, 4, tmp_path / f'{number}_written'), name


def test_every_rate_is_written_from_the_global_batch():
    per_256 = re.compile(r'[\d.e-]+ \* (_base_\.)?global_batch_size / 256')
    rates = [rate for path in CONFIGS.rglob('*.py')
             for rate in re.findall(r'\blr=([^,)]+)', path.read_text())]
    assert rates and all(per_256.fullmatch(rate) for rate in rates), rates
    for path, cfg in trained().items():
        assert cfg.auto_scale_lr == dict(base_batch_size=cfg.global_batch_size, enable=False), path
        assert 'accumulative_counts' not in cfg.optim_wrapper, path
        assert cfg.train_cfg.type == 'amd_mm.EpochTrainLoop', path
        assert cfg.train_dataloader.sampler.type == 'amd_mm.EpochSampler', path
        assert cfg.train_dataloader.dataset.type == 'amd_mm.KeyedDataset', path


def test_clips_are_clipped_and_pictures_are_not():
    for path in RECIPES:
        cfg = Config.fromfile(path)
        clipped = dict(max_norm=0.02) if modality(cfg) == 'video' else None
        assert cfg.optim_wrapper.get('clip_grad') == clipped
        assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
        assert cfg.optim_wrapper.dtype == 'bfloat16'
        # Without this MMEngine scales the loss even in bfloat16.
        assert cfg.optim_wrapper.loss_scale == dict(enabled=False)


@pytest.mark.parametrize('method', ['amd', 'dmae'])
def test_a_recipe_without_a_teacher_stops_and_says_where_teachers_are(method):
    for path in RECIPES:
        if path.parent.name == method:
            model = dict(reduced(path).model)
            model['teacher'] = {k: v for k, v in model['teacher'].items() if k != 'checkpoint'}
            with pytest.raises(ValueError, match=r'model\.teacher\.checkpoint=FILE'):
                MODELS.build(model)


def our_nodes() -> dict[str, dict]:
    """One config of each type of ours that the recipes name."""
    return {node['type']: dict(node) for path in RECIPES
            for node in nodes(reduced(path)._cfg_dict)
            if node.get('type', '').startswith('amd_mm.') and node['type'].count('.') == 1}


def test_a_misspelt_argument_is_an_error_that_names_it():
    checked = our_nodes()
    assert {'amd_mm.AMD', 'amd_mm.VideoVisionTransformer', 'amd_mm.KeyedDataset'} <= set(checked)
    for name, node in checked.items():
        # A class without arguments does not name what it got.
        rule = r'mispelt_argument|takes no arguments'
        with pytest.raises(TypeError, match=rule):
            registry_of(name).build(dict(node, mispelt_argument=1))


def write_data(cfg: Config, folder: Path) -> None:
    """Four tiny samples where the recipe's data set looks for them."""
    dataset = cfg.train_dataloader.dataset.dataset
    if modality(cfg) == 'video':
        for number in range(4):
            write_video(folder / f'{number}.mp4', frames=20)
        Path(folder, 'list.txt').write_text(''.join(f'{n}.mp4 {n}\n' for n in range(4)))
        dataset.ann_file = str(folder / 'list.txt')
        dataset.data_prefix = dict(video=str(folder))
    else:
        import cv2
        for number in range(4):
            Path(folder, 'train', str(number)).mkdir(parents=True)
            picture = np.random.default_rng(number).integers(0, 256, (70, 90, 3), np.uint8)
            cv2.imwrite(str(folder / 'train' / str(number) / 'a.JPEG'), picture)
        dataset.data_root = str(folder)
        dataset.metainfo = dict(classes=tuple('0123'))


@pytest.mark.slow
@pytest.mark.parametrize('name', [
    'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb',
    'videomae/videomae_vit-small-p16_b512-16x2x1-200e_sthv2-rgb',
    'dmae/dmae_vit-base-p16-visible4_b4096-100e_in1k',
])
def test_a_recipe_runs_from_files_to_a_checkpoint(name, tmp_path):
    # By way of a user's own config, which finds ours in the package.
    own = tmp_path / 'own.py'
    own.write_text(f"_base_ = 'amd_mm::{name}.py'\n")
    cfg = Config.fromfile(own)
    shrink(cfg)
    write_data(cfg, tmp_path)
    cfg.merge_from_dict(dict(
        work_dir=str(tmp_path / 'work'), launcher='none', experiment_name=tmp_path.name,
        train_dataloader=dict(batch_size=1), global_batch_size=4,
        env_cfg=dict(dist_cfg=dict(backend='gloo'))))
    shorten(cfg)
    runner = build_training_runner(cfg)
    runner.train()

    # An iteration is an update, here of 4 batches.
    assert runner.iter == 1
    saved = torch.load(tmp_path / 'work/epoch_1.pth', weights_only=True)['state_dict']
    assert set(saved) == set(runner.model.state_dict())
    assert all(value.isfinite().all() for value in saved.values())


def test_every_recipe_reads_videos_with_pyav():
    """Whose frames are those of FFmpeg's command, for every video."""
    found = {node['type'] for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts
             for node in nodes(Config.fromfile(path)._cfg_dict)
             if str(node.get('type')).endswith(('Init', 'Decode'))
             and not str(node['type']).endswith('RawFrameDecode')}
    # The cached one is PyAV's too.
    assert found == {'amd_mm.CachedPyAVInit', 'amd_mm.PyAVInit', 'amd_mm.PyAVDecode'}


def test_a_runner_gets_the_whole_of_a_phase_or_nothing():
    """MMEngine refuses half of one, also where it is not run."""
    for path in CONFIGS.rglob('*.py'):
        if '_base_' in path.parts:
            continue
        cfg = Config.fromfile(path)
        for parts in (('train_dataloader', 'train_cfg', 'optim_wrapper'),
                      ('val_dataloader', 'val_cfg', 'val_evaluator'),
                      ('test_dataloader', 'test_cfg', 'test_evaluator')):
            assert len({cfg.get(part) is None for part in parts}) == 1, (path, parts)
        assert cfg.get('param_scheduler') is None or cfg.get('optim_wrapper') is not None, path


def test_every_recipe_writes_whole_checkpoints_in_a_work_dir_of_its_own():
    found = 0
    for path in sorted(CONFIGS.rglob('*.py')):
        if '_base_' in path.parts:
            continue
        cfg = Config.fromfile(path)
        if 'train_dataloader' in cfg:
            found += 1
            assert cfg.default_hooks.checkpoint.type == 'amd_mm.WholeCheckpointHook', path
            hooks = [hook.type for hook in cfg.custom_hooks]
            assert hooks.count('amd_mm.WorkDirLockHook') == 1, path
    assert found >= 40
