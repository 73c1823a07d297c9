"""Every transfer recipe builds, trains two steps, validates and tests, on real data."""
from pathlib import Path

import pytest
import recipes
import torch
import transfer
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from runs import run_processes
from transfer import IMAGES, RECIPES, VIDEOS, throughput

from amd_mm.engine import CompleteCheckpointHook
from amd_mm.registry import MODELS

LATER_SPLITS = [name for name in VIDEOS if 'split2' in name or 'split3' in name]


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('transfer data')
    transfer.make_student(root / 'video.pth', 'video')
    transfer.make_student(root / 'image.pth', 'image')
    names = transfer.make_videos(root / 'videos')
    for classes in (51, 101, 174, 400):
        transfer.write_list(root / f'{classes}.txt', names, [0, 1, 2, classes - 1])
    transfer.write_list(root / 'own.txt', names, [0, 1, 0, 1])
    (root / 'classes.txt').write_text('left\nright\n')
    transfer.make_pictures(root / 'pictures')
    return root


def moved(runner: Runner, student: Path) -> dict[str, bool]:
    """For each weight of the student whether training changed it; the others are no part of it."""
    before = torch.load(student, weights_only=True)['state_dict']
    return {name: not torch.equal(value, before[f'backbone.{name}'])
            for name, value in runner.model.backbone.state_dict().items()
            if f'backbone.{name}' in before}


@pytest.mark.slow
def test_several_lists_and_several_labels(data: Path, tmp_path: Path) -> None:
    """As docs/finetuning.md says."""
    cfg = transfer.small('vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb', tmp_path,
                         data / 'video.pth')
    names = sorted(path.name for path in (data / 'videos').iterdir())
    lists = [tmp_path / 'a.txt', tmp_path / 'b.txt']
    lists[0].write_text(f'{names[0]} 0 1\n{names[1]} 1\n')
    lists[1].write_text(f'{names[2]} 0\n{names[3]} 1 0\n')
    transfer.use_videos(cfg, data / 'videos', lists[0])
    for dataset in transfer.datasets(cfg).values():
        dataset.update(multi_class=True, metainfo=dict(classes=str(data / 'classes.txt')))
    for holder in (cfg.train_dataloader.dataset, cfg.val_dataloader, cfg.test_dataloader):
        holder.dataset = dict(type='ConcatDataset', datasets=[
            holder.dataset, dict(holder.dataset, ann_file=str(lists[1]))])
    metric = dict(type='mmaction.AccMetric', metric_list='mean_average_precision')
    cfg.val_evaluator = cfg.test_evaluator = metric
    cfg.default_hooks.checkpoint.save_best = 'acc/mean_average_precision'
    cfg.model.cls_head.update(
        loss_cls=dict(type='mmaction.BCELossWithLogits'), multi_class=True, average_clips='score')
    runner = transfer.build_training_runner(cfg)
    runner.train()
    assert runner.iter == 2 and runner.model.cls_head.num_classes == 2
    samples = runner.train_dataloader.dataset
    assert [samples.get_data_info(index)['label'].tolist() for index in range(4)] == [
        [1, 1], [0, 1], [1, 0], [1, 1]]
    assert 0 < runner.message_hub.get_scalar('val/acc/mean_average_precision').current() <= 1


@pytest.mark.parametrize('name', [
    name for name in VIDEOS if name not in LATER_SPLITS and 'knn' not in name])
def test_clips(name: str, data: Path, tmp_path: Path) -> None:
    cfg = transfer.small(name, tmp_path, data / 'video.pth')
    own = 'own' in name
    transfer.use_videos(cfg, data / 'videos', data / (
        'own.txt' if own else f'{cfg.model.cls_head.num_classes}.txt'))
    if own:
        transfer.use_classes(cfg, data / 'classes.txt')
    runner, metrics, top1 = transfer.train_and_test(cfg)
    changes = moved(runner, data / 'video.pth')
    assert runner.iter == 2 and len(changes) == 29
    assert changes.pop('pos_embed') is False
    assert set(changes.values()) == ({False} if 'linear' in name else {True})
    assert metrics['acc/top1'] == pytest.approx(top1)
    # Of labels that are not blended the host's head logs accuracies, which look at values.
    counted = set() if 'linear' in name else {'utilisation'}
    assert throughput(runner) == {'clips_per_second', 'data_wait_share'} | counted
    if own:
        # Of two classes the best five are all.
        assert 'acc/top5' not in metrics and runner.model.cls_head.topk == (1, )
        counts = metrics['confusion_matrix/result']
        # Rows are the labels of own.txt.
        assert counts.sum(1).tolist() == [2, 2] and counts.trace() == 4 * top1


@pytest.mark.parametrize('name', [name for name in IMAGES if 'knn' not in name])
def test_pictures(name: str, data: Path, tmp_path: Path) -> None:
    cfg = transfer.small(name, tmp_path, data / 'image.pth')
    transfer.use_pictures(cfg, data / 'pictures')
    runner, metrics, top1 = transfer.train_and_test(cfg)
    changes = moved(runner, data / 'image.pth')
    assert runner.iter == 2 and len(changes) > 25
    assert set(changes.values()) == ({False} if 'linear' in name else {True})
    assert metrics['accuracy/top1'] == pytest.approx(100 * top1)
    assert throughput(runner) == {'images_per_second', 'data_wait_share', 'utilisation'}
    if 'own' in name:
        assert runner.model.head.num_classes == 2 and 'accuracy/top5' not in metrics


@pytest.mark.parametrize('name', [name for name in IMAGES if 'knn' in name])
def test_nearest_neighbours(name: str, data: Path, tmp_path: Path) -> None:
    cfg = transfer.small(name, tmp_path, None)
    transfer.use_pictures(cfg, data / 'pictures')
    cfg.test_evaluator.topk = (1, )
    # The same pictures in another order: each is its own nearest neighbour.
    cfg.model.gallery.dataset.data_prefix = 'val'
    cfg.model.k = 1
    cfg.load_from = str(data / 'image.pth')
    runner = transfer.build_runner(cfg)
    runner.register_hook(CompleteCheckpointHook())  # as tools/test.py does
    assert runner.test()['accuracy/top1'] == 100


@pytest.mark.parametrize('name', [name for name in VIDEOS if 'knn' in name])
def test_nearest_neighbours_of_clips(name: str, data: Path, tmp_path: Path) -> None:
    cfg = transfer.small(name, tmp_path, None)
    transfer.use_videos(cfg, data / 'videos', data / 'own.txt')
    transfer.use_classes(cfg, data / 'classes.txt')
    gallery = cfg.model.gallery.dataset
    gallery.update({key: cfg.test_dataloader.dataset[key]
                    for key in ('ann_file', 'data_prefix', 'metainfo')})
    assert gallery == cfg.test_dataloader.dataset  # each is its own nearest neighbour
    cfg.model.k = 1
    cfg.load_from = str(data / 'video.pth')
    runner = transfer.build_runner(cfg)
    runner.register_hook(CompleteCheckpointHook())
    metrics = runner.test()
    assert metrics['acc/top1'] == 1 and 'acc/top5' not in metrics
    assert metrics['confusion_matrix/result'].tolist() == [[2, 0], [0, 2]]


@pytest.mark.parametrize('name', LATER_SPLITS)
def test_splits_differ_in_their_lists_only(name: str) -> None:
    split = name.removesuffix('-rgb')[-1]
    cfg, first = (Config.fromfile(RECIPES[one])
                  for one in (name, name.replace(f'split{split}', 'split1')))
    data = name.split('_')[-1].split('-')[0]
    for part, dataset in transfer.datasets(cfg).items():
        kind = 'train' if part == 'train' else 'val'
        assert dataset.ann_file == f'data/{data}/{data}_{kind}_split_{split}_videos.txt'
        transfer.datasets(first)[part].ann_file = dataset.ann_file
    for key in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'optim_wrapper',
                'param_scheduler', 'train_cfg', 'test_evaluator'):
        assert cfg[key] == first[key]


# The released command lines: rate per 256 videos, videos an update, epochs, clips x crops.
SCHEDULES = {
    'vit-base-p16_k400-amd-pre_b512-16x4x1-90e_kinetics400-rgb': (7e-4, 512, 90, 5),
    'vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb': (1e-3, 512, 150, 5),
    'vit-base-p16_sthv2-amd-pre_b256-u16-30e_sthv2-rgb': (5e-4, 256, 30, 2),
    'vit-small-p16_sthv2-amd-pre_b256-u16-40e_sthv2-rgb': (1e-3, 256, 40, 2),
}


@pytest.mark.parametrize(('name', 'schedule'), SCHEDULES.items())
def test_schedules_are_the_published_ones(name: str, schedule: tuple) -> None:
    rate, batch, epochs, clips = schedule
    cfg = Config.fromfile(RECIPES[name])
    optimizer = cfg.optim_wrapper.optimizer
    assert optimizer.lr == pytest.approx(rate * batch / 256)
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert (optimizer.betas, optimizer.weight_decay) == ((0.9, 0.999), 0.05)
    assert cfg.optim_wrapper.paramwise_cfg.decay_rate == 0.75
    assert cfg.global_batch_size == batch
    assert cfg.train_cfg.max_epochs == epochs and 'end' not in cfg.param_scheduler[1]
    assert cfg.param_scheduler[0].end == cfg.param_scheduler[1].begin == 5
    assert cfg.param_scheduler[1].eta_min_ratio * rate == pytest.approx(1e-6)
    assert cfg.model.backbone.drop_path_rate == 0.1 and cfg.model.cls_head.label_smooth_eps == 0.1
    assert [augment.alpha for augment in cfg.model.data_preprocessor.blending.augments] == [.8, 1.]
    assert cfg.train_dataloader.dataset.num_repeats == 2
    sampling = cfg.test_dataloader.dataset.pipeline
    assert sampling[1].num_clips == clips
    assert 'mmaction.ThreeCrop' in [transform.type for transform in sampling]
    sampled = [dataset.pipeline[1].type for dataset in transfer.datasets(cfg).values()]
    assert sampled == (['amd_mm.SampleEvenFrames', *['amd_mm.SampleStridedClips'] * 2]
                       if 'kinetics' in name else
                       ['amd_mm.SampleSegmentFrames', *['amd_mm.SampleSegmentClips'] * 2])
    augment = cfg.train_dataloader.dataset.pipeline[0]
    assert augment == dict(
        type='amd_mm.ClipRandAugment', num_ops=4, magnitude=7, magnitude_std=.5)
    flips = [transform.type for transform in cfg.train_dataloader.dataset.pipeline
             if 'Flip' in transform.type]
    assert bool(flips) == ('kinetics' in name)


def test_layer_decay_and_weight_decay(data: Path, tmp_path: Path) -> None:
    """Deeper is faster, by 0.75 a block; 1-D weights do not decay; the head has the full rate."""
    name = 'vit-small-p16_sthv2-amd-pre_b256-u16-40e_sthv2-rgb'
    cfg = transfer.small(name, tmp_path, data / 'video.pth')
    transfer.use_videos(cfg, data / 'videos', data / '174.txt')
    runner = transfer.build_runner(cfg)
    groups = runner.build_optim_wrapper(cfg.optim_wrapper).optimizer.param_groups
    found = {name: (group['lr'] / cfg.optim_wrapper.optimizer.lr, group['weight_decay'])
             for group in groups for name in group['param_names']}
    assert len(found) == len(list(runner.model.parameters()))
    assert found['cls_head.fc_cls.weight'] == pytest.approx((1, .05))
    assert found['backbone.fc_norm.weight'] == pytest.approx((1, 0))
    assert found['backbone.blocks.1.attn.qkv.weight'] == pytest.approx((.75, .05))
    assert found['backbone.blocks.0.attn.q_bias'] == pytest.approx((.75**2, 0))
    assert found['backbone.patch_embed.projection.weight'] == pytest.approx((.75**3, .05))


FROZEN = dict(video='vit-small-p16_sthv2-amd-pre_b256-u16-40e_sthv2-rgb',
              image='vit-small-p16_amd-pre_b1024-coslr-100e_in1k')


def frozen(modality: str, data: Path, work_dir: Path) -> Config:
    """A recipe with layer decay, its backbone frozen, and a head that starts at random."""
    cfg = transfer.small(FROZEN[modality], work_dir, data / f'{modality}.pth')
    cfg.model.backbone.frozen = True
    if modality == 'video':
        transfer.use_videos(cfg, data / 'videos', data / '174.txt')
    else:
        transfer.use_pictures(cfg, data / 'pictures')
    assert 'Decay' in cfg.optim_wrapper.constructor
    return cfg


@pytest.mark.parametrize('modality', FROZEN)
def test_a_frozen_backbone_stays_bit_for_bit(modality: str, data: Path, tmp_path: Path) -> None:
    cfg = frozen(modality, data, tmp_path)
    runner, _, _ = transfer.train_and_test(cfg)
    assert runner.iter == 2 and set(moved(runner, data / f'{modality}.pth').values()) == {False}
    groups = runner.optim_wrapper.optimizer.param_groups
    trained = {id(weight) for group in groups for weight in group['params']}
    head = runner.model.cls_head if modality == 'video' else runner.model.head
    assert trained == {id(weight) for weight in head.parameters()}
    assert {group['initial_lr'] if 'initial_lr' in group else group['lr'] for group in groups} == {
        cfg.optim_wrapper.optimizer.lr}
    assert all(runner.optim_wrapper.optimizer.state[weight]['exp_avg'].any()
               for weight in head.parameters())


def test_a_frozen_backbone_in_two_processes(data: Path, tmp_path: Path) -> None:
    """DDP looks for no unused weights: there are none."""
    cfg = frozen('video', data, tmp_path)
    cfg.train_dataloader.batch_size = 1
    cfg.env_cfg = dict(dist_cfg=dict(backend='gloo'))
    assert not cfg.get('find_unused_parameters')
    run_processes(2, cfg)
    before = torch.load(data / 'video.pth', weights_only=True)['state_dict']
    after = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict']
    shared = before.keys() & after.keys()
    assert len(shared) == 29 and all(torch.equal(before[name], after[name]) for name in shared)


def test_the_head_starts_small(data: Path, tmp_path: Path) -> None:
    for kind, name in (('video', VIDEOS[0]), ('image', IMAGES[0])):
        cfg = transfer.small(name, tmp_path, data / f'{kind}.pth')
        model = transfer.MODELS.build(cfg.model)
        model.init_weights()
        head = model.cls_head.fc_cls if kind == 'video' else model.head.fc
        assert head.weight.std().item() == pytest.approx(2e-5, rel=.1) and not head.bias.any()


def test_labels_change_sides_with_the_flip() -> None:
    """On request SSv2 is flipped, and left becomes right."""
    cfg = Config.fromfile(RECIPES['vit-base-p16_sthv2-amd-pre_b256-u16-flip-30e_sthv2-rgb'])
    transforms = cfg.train_dataloader.dataset.pipeline
    plain = Config.fromfile(RECIPES['vit-base-p16_sthv2-amd-pre_b256-u16-30e_sthv2-rgb'])
    assert [t.type for t in transforms if 'Flip' not in t.type] == [
        t.type for t in plain.train_dataloader.dataset.pipeline]
    flip, = (t for t in transforms if 'Flip' in t.type)
    assert all(flip.flip_label_map[other] == one for one, other in flip.flip_label_map.items())
    always = transfer.TRANSFORMS.build(dict(flip, flip_ratio=1.))
    picture = torch.arange(12, dtype=torch.uint8).reshape(2, 2, 3).numpy()
    for label, expected in ((86, 87), (94, 93), (166, 167), (5, 5)):
        results = always(dict(imgs=[picture.copy()], modality='RGB', img_shape=(2, 2), label=label))
        assert results['label'] == expected
        assert (results['imgs'][0] == picture[:, ::-1]).all()


@pytest.mark.parametrize('name', RECIPES)
def test_files_are_short_and_types_have_their_prefix(name: str) -> None:
    assert len(RECIPES[name].read_text().splitlines()) <= 20
    for node in transfer.nodes(Config.fromfile(RECIPES[name])._cfg_dict):
        kind = node.get('type', '')
        if isinstance(kind, str) and kind in transfer.OURS:
            raise AssertionError(f'{kind} lacks amd_mm.')


@pytest.mark.parametrize('name', [name for name in RECIPES if 'knn' not in name])
def test_the_default_student_is_what_its_recipe_leaves(name: str) -> None:
    """Its folder is a pre-training recipe of the same network, its epoch that recipe's last."""
    cfg = Config.fromfile(RECIPES[name])
    path = Path(cfg.model.backbone.init_cfg.checkpoint)
    pretraining = next(recipe for recipe in recipes.RECIPES if recipe.stem == path.parent.name)
    source = Config.fromfile(pretraining)
    assert path.name == f'epoch_{source.train_cfg.max_epochs}.pth'
    ours, theirs = cfg.model.backbone, source.model.backbone
    assert ours.type == theirs.type
    assert recipes.encoder_size(ours) == recipes.encoder_size(theirs)
    for key in ('img_size', 'patch_size', 'num_frames', 'tubelet_size'):
        assert ours.get(key) == theirs.get(key)
    head = cfg.model.get('cls_head', cfg.model.get('head'))
    assert head.in_channels == recipes.encoder_size(ours)[0]


class TestLinearProbe:
    NAME = 'vit-small-p16_amd-pre_b16384-linear-coslr-90e_in1k'

    def test_lars_is_maes(self) -> None:
        """Vectors are left alone: no trust ratio, no weight decay; matrices have both."""
        cfg = Config.fromfile(RECIPES[self.NAME])
        torch.manual_seed(0)
        head = MODELS.build(dict(
            cfg.model.head, num_classes=10, in_channels=24, _scope_='mmpretrain'))
        head.init_weights()
        rate, decay, momentum, trust = .3, .1, .9, .001
        wrapper = dict(cfg.optim_wrapper, type='OptimWrapper')
        del wrapper['dtype'], wrapper['loss_scale']
        wrapper['optimizer'] = dict(wrapper['optimizer'], lr=rate, weight_decay=decay)
        assert wrapper['optimizer']['momentum'] == momentum
        optimizer = build_optim_wrapper(head, wrapper).optimizer
        ours = dict(head.named_parameters())
        expected = {name: weight.detach().clone() for name, weight in ours.items()}
        velocity = {name: torch.zeros_like(weight) for name, weight in ours.items()}
        for _ in range(6):
            for name, weight in ours.items():
                weight.grad = torch.randn_like(weight)
                step = weight.grad.clone()
                if weight.ndim > 1:
                    step += decay * expected[name]
                    step *= trust * expected[name].norm() / step.norm()
                velocity[name] = momentum * velocity[name] + step
                expected[name] -= rate * velocity[name]
            optimizer.step()
        torch.testing.assert_close(ours['layers.head.bias'].detach(), expected['layers.head.bias'])
        # The host divides by the sum of the norms of gradient and decay, MAE by that of the sum.
        torch.testing.assert_close(ours['layers.head.weight'].detach(),
                                   expected['layers.head.weight'], rtol=0, atol=2e-5)

    @pytest.mark.parametrize('name', [name for name in IMAGES if 'own' not in name])
    def test_pictures_are_resized_bicubically(self, name: str) -> None:
        cfg = Config.fromfile(RECIPES[name])
        resizes = [node for part in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
                   for node in recipes.nodes(part) if 'scale' in node]
        resizes += [node for node in recipes.nodes(cfg.model.get('gallery')) if 'scale' in node]
        assert len(resizes) >= 3
        assert {(node.backend, node.interpolation) for node in resizes} == {('pillow', 'bicubic')}


@pytest.mark.parametrize('name', SCHEDULES)
def test_mmaction2s_sampling_is_an_option(name: str) -> None:
    """A config takes `_base_.mmaction_test`; what else is in the pipeline stays."""
    cfg = Config.fromfile(RECIPES[name])
    for part in ('train', 'test'):
        if f'mmaction_{part}' not in cfg:
            assert part == 'train' and 'kinetics' in name
            continue
        option = cfg[f'mmaction_{part}'].dataset
        ours, theirs = transfer.datasets(cfg)[part].pipeline, option.get('dataset', option).pipeline
        assert theirs[1].type.startswith('mmaction.')
        assert theirs[1].get('num_clips') == ours[1].get('num_clips')
        assert [*theirs[:1], *theirs[2:]] == [*ours[:1], *ours[2:]]
