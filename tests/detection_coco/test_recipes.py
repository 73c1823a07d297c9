"""Mask R-CNN on students: what the recipes say, and from real nuclei to AP."""
import json
from pathlib import Path

import coco_set
import detectors
import numpy as np
import pytest
import tiny_vits
import torch
import transfer
from detectors import COCO, OWN, OWN_BOXES, RECIPES, small
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import BaseDataElement
from recipes import ENCODERS, encoder_size

from amd_mm.engine import CompleteCheckpointHook, build_runner, build_training_runner
from amd_mm.registry import DATASETS, MODELS


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    """The nuclei as a set, with a student."""
    root = detectors.make_set(tmp_path_factory.mktemp('nuclei'))
    transfer.make_student(root / 'student.pth', 'image')
    return root


def test_the_promised_recipes_are_there() -> None:
    own = {f'vit-{size}-p16_amd-pre_{net}_b16-lsj-100e_own-{what}' for size in ('small', 'base')
           for net, what in (('mask-rcnn', 'instances'), ('faster-rcnn', 'boxes'))}
    coco = {f'vit-{size}-p16_{method}-pre_mask-rcnn_b64-lsj-100e_coco' for size, method in (
        ('small', 'amd'), ('base', 'amd'), ('base', 'dmae'), ('base', 'mae'))}
    assert set(RECIPES) == own | coco


@pytest.mark.parametrize('name', RECIPES)
def test_name_and_content_agree(name: str) -> None:
    cfg = Config.fromfile(RECIPES[name])
    assert len(RECIPES[name].read_text().splitlines()) <= 22
    assert encoder_size(cfg.model.backbone) == ENCODERS[name.split('-')[1]]
    assert cfg.model.neck.in_channels == encoder_size(cfg.model.backbone)[0]
    assert f'{name.split("_")[1].removesuffix("-pre")}_vit-{name.split("-")[1]}' in (
        cfg.model.backbone.init_cfg.checkpoint)
    assert cfg.global_batch_size == (16 if 'own' in name else 64)
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-4 * cfg.global_batch_size / 64)
    assert (cfg.model.roi_head.mask_head is None) == name.endswith('own-boxes')


@pytest.mark.parametrize('name', RECIPES)
def test_two_steps_and_average_precision(name: str, root: Path, tmp_path: Path) -> None:
    cfg = small(name, tmp_path / 'run', root / 'student.pth', root)
    before = torch.load(root / 'student.pth', weights_only=True)['state_dict']
    runner = build_training_runner(cfg)
    runner.train()
    assert runner.iter == 2
    after = runner.model.backbone.state_dict()
    assert all(not torch.equal(value, before[f'backbone.{key}']) for key, value in after.items())
    # The test of what is saved is the validation of it.
    cfg.load_from = str(tmp_path / 'run/epoch_1.pth')
    cfg.experiment_name += '_test'
    tester = build_runner(cfg)
    tester.register_hook(CompleteCheckpointHook())
    metrics = tester.test()
    assert ('coco/segm_mAP' in metrics) == ('mask-rcnn' in name)
    for key, value in metrics.items():
        assert value == runner.message_hub.get_scalar(f'val/{key}').current(), key


def test_training_starts_from_the_student(root: Path, tmp_path: Path) -> None:
    model = MODELS.build(small(COCO, tmp_path, root / 'student.pth', root).model)
    model.init_weights()
    student = torch.load(root / 'student.pth', weights_only=True)['state_dict']
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, student[f'backbone.{key}']), key


def test_a_student_without_a_block_stops(root: Path, tmp_path: Path) -> None:
    content = torch.load(root / 'student.pth', weights_only=True)
    del content['state_dict']['backbone.layers.1.ln2.weight']
    torch.save(content, tmp_path / 'broken.pth')
    model = MODELS.build(small(COCO, tmp_path, tmp_path / 'broken.pth', root).model)
    with pytest.raises(ValueError, match=r'blocks\.1\.norm2\.weight'):
        model.init_weights()


def test_rates_and_decay_of_every_group(root: Path, tmp_path: Path) -> None:
    """Of 12 blocks: 0.7 to the power of 13 - l, from patches (l = 0) to the last block (12)."""
    cfg = small(COCO, tmp_path, None, root)
    cfg.model.backbone.arch.num_layers = 12
    # On a machine without an accelerator the tools take it for this.
    wrapper = dict(cfg.optim_wrapper, type='OptimWrapper')
    for key in ('dtype', 'loss_scale'):
        wrapper.pop(key)
    model = MODELS.build(cfg.model)
    groups = {group['param_name']: group for group in build_optim_wrapper(
        model, wrapper).optimizer.param_groups}
    assert set(groups) == {name for name, _ in model.named_parameters()}
    peak = cfg.optim_wrapper.optimizer.lr
    for name, group in groups.items():
        if name.startswith('backbone.layers.'):
            power = 13 - (1 + int(name.split('.')[2]))
        else:
            power = 13 if name.startswith('backbone.') else 0
        assert group['lr'] == pytest.approx(peak * .7**power), name
        is_norm = '.ln' in name or name.startswith('neck.rescale.0.1.')
        assert group['weight_decay'] == (0 if is_norm or 'pos_embed' in name else .1), name


def test_rates_rise_for_250_updates_and_fall_twice(root: Path, tmp_path: Path) -> None:
    schedule = Config.fromfile(RECIPES[COCO]).param_scheduler
    cfg = small(COCO, tmp_path, root / 'student.pth', root)
    cfg.param_scheduler, cfg.train_cfg.max_epochs = schedule, 100
    runner = build_training_runner(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    warm_up, steps = runner.build_param_scheduler(runner.param_schedulers)
    group = max(runner.optim_wrapper.optimizer.param_groups, key=lambda group: group['lr'])
    peak, rates = group['initial_lr'], []
    for _epoch in range(100):
        for _update in range(3):
            rates.append(group['lr'] / peak)
            warm_up.step()
        steps.step()
    assert rates[:250] == pytest.approx(np.linspace(.001, 1, 250))
    assert rates[250:3 * 89] == pytest.approx([1.] * 17)
    assert rates[3 * 89:3 * 96] == pytest.approx([.1] * 21)
    assert rates[3 * 96:] == pytest.approx([.01] * 12)


def test_a_square_has_the_jitter_of_vitdet_and_may_be_empty(root: Path, tmp_path: Path) -> None:
    cfg = small(COCO, tmp_path, None, root)
    content = coco_set.coco_content(detectors.CLASSES, copies=1)
    content['annotations'] = content['annotations'][:1]
    coco_set.write_coco(tmp_path, content)
    cfg.train_dataloader.dataset.dataset.update(
        data_root=str(tmp_path), ann_file='annotations/train.json')
    data = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [data.dataset.prepare_data(0) for _ in range(60)]
    sides = np.array([sample['inputs'].shape[1:] for sample in samples])
    # 0.1 to 2 times the square, of which no more than the square is cut out.
    assert sides.min() >= 6 and sides.max() == detectors.SIZE and len(np.unique(sides)) > 15
    counts = {len(sample['data_samples'].gt_instances) for sample in samples}
    assert counts == {0, 1}
    # Such a batch has a loss, and every weight a gradient.
    model = MODELS.build(cfg.model).train()
    empty = [sample for sample in samples if not len(sample['data_samples'].gt_instances)][:2]
    batch = model.data_preprocessor(dict(
        inputs=[sample['inputs'] for sample in empty],
        data_samples=[sample['data_samples'] for sample in empty]), training=True)
    assert batch['inputs'].shape[2:] == (detectors.SIZE, detectors.SIZE)
    loss, _ = model.parse_losses(model.loss(batch['inputs'], batch['data_samples']))
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize('name', [OWN, OWN_BOXES])
def test_classes_are_those_of_the_file(name: str, tmp_path: Path) -> None:
    detectors.make_set(tmp_path, ('round', 'long', 'flat'))
    transfer.make_student(tmp_path / 'student.pth', 'image')
    runner = build_training_runner(
        small(name, tmp_path / 'run', tmp_path / 'student.pth', tmp_path))
    heads = runner.model.roi_head
    assert heads.bbox_head.num_classes == 3
    assert not heads.with_mask or heads.mask_head.num_classes == 3
    assert runner.val_dataloader.dataset.metainfo['classes'] == ('round', 'long', 'flat')


@pytest.mark.parametrize(('change', 'words'), [
    (lambda content: content['annotations'][0]['bbox'].__setitem__(2, 0), 'has no area'),
    (lambda content: content['annotations'][0].update(category_id=99), 'annotation 1 has 99'),
    (lambda content: content['images'].append(
        dict(id=1, file_name='no.png', width=9, height=9)), r'no\.png is missing'),
    (lambda content: content['categories'].append(dict(id=50, name='new')),
     "val data: must have the classes of the train data.* has new;"),
])
def test_nothing_is_trained_before_the_boxes_are_checked(
        change, words: str, root: Path, tmp_path: Path) -> None:
    detectors.make_set(tmp_path)
    content = coco_set.coco_content(detectors.CLASSES, copies=2)
    change(content)
    (tmp_path / 'annotations/val.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=words):
        build_training_runner(
            small(OWN, tmp_path / 'run', root / 'student.pth', tmp_path)).train()


def test_pictures_of_several_sizes_make_one_batch() -> None:
    """Padded to a multiple of 32, as mmdet does, for any backbone size."""
    model = MODELS.build(dict(
        type='amd_mm.SimpleFeaturePyramid', in_channels=tiny_vits.WIDTH, out_channels=8,
        num_outs=5))
    vit = tiny_vits.image_vit(out_type='featmap', window_size=3, global_blocks=1)
    preprocessor = MODELS.build(dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=32))
    pictures = [torch.randint(256, (3, *size), dtype=torch.uint8) for size in ((40, 70), (33, 20))]
    batch = preprocessor(dict(inputs=pictures, data_samples=[
        BaseDataElement(metainfo=dict(img_shape=picture.shape[1:])) for picture in pictures]))
    maps = model(vit(batch['inputs'].float()))
    assert [tuple(level.shape[2:]) for level in maps] == [
        (32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
