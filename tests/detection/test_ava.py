"""The AVA recipes: what they take from mmaction2's, and from real clips to mAP."""
import re
from pathlib import Path

import ava_set
import numpy as np
import pytest
import tiny_vits
import torch
import transfer
from ava_set import RECIPES
from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from recipes import CONFIGS, ENCODERS, encoder_size, nodes

from amd_mm.engine import CompleteCheckpointHook, build_runner, build_training_runner
from amd_mm.registry import DATASETS, MODELS

HOST = ('mmaction::detection/videomae/'
        'vit-base-p16_videomae-k400-pre_8xb8-16x4x1-20e-adamw_ava-kinetics-rgb.py')
BASE = 'vit-base-p16_k400-amd-pre_b64-16x4x1-20e-adamw_ava22-rgb'
VIDEOMAE = 'vit-base-p16_k400-amd-pre_b128-16x4x1-30e_ava22-rgb'
# By whose recipe: mmaction2's, or that of VideoMAE's own detection code.
HOSTS = [name for name in RECIPES if '20e-adamw' in name]
VIDEOMAES = [name for name in RECIPES if name not in HOSTS]

pytestmark = [
    # Of mmaction2's metric: the set has none of AVA's labels above 14.
    pytest.mark.filterwarnings('ignore:Mean of empty slice'),
]


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    """The small set, and the student before and after fine-tuning."""
    root = ava_set.make_set(tmp_path_factory.mktemp('ava') / 'set')
    transfer.make_student(root / 'pre.pth', 'video')
    cfg = transfer.small(
        'vit-base-p16_k400-amd-pre_b512-16x4x1-90e_kinetics400-rgb', root, None)
    recognizer = tiny_vits.randomise(MODELS.build(cfg.model), seed=2)
    torch.save(dict(state_dict=recognizer.state_dict()), root / 'pre-ft.pth')
    return root


def student_of(name: str, root: Path) -> Path:
    return root / ('pre-ft.pth' if '-pre-ft_' in name else 'pre.pth')


def test_the_promised_recipes_are_there() -> None:
    assert set(RECIPES) == {
        f'vit-{size}-p16_k400-amd-{labels}_{schedule}_ava22{source}-rgb'
        for size in ('small', 'base') for labels in ('pre', 'pre-ft')
        for schedule in ('b64-16x4x1-20e-adamw', 'b128-16x4x1-30e') for source in ('', '-videos')}


@pytest.mark.parametrize('name', HOSTS)
def test_everything_else_is_the_hosts(name: str) -> None:
    """Boxes, proposals, head, augmentation, schedule: as in mmaction2's VideoMAE config."""
    cfg, host = Config.fromfile(RECIPES[name]), Config.fromfile(_inheriting_host())
    assert len(RECIPES[name].read_text().splitlines()) <= 20
    assert encoder_size(cfg.model.backbone) == ENCODERS[name.split('-')[1]]
    assert cfg.model.roi_head.bbox_head.in_channels == cfg.model.backbone.embed_dims
    host.model.roi_head.bbox_head.in_channels = cfg.model.backbone.embed_dims
    for key in ('roi_head', 'data_preprocessor', 'train_cfg', 'test_cfg', 'type'):
        assert cfg.model[key] == host.model[key], key
    for key in ('img_size', 'patch_size', 'num_frames', 'drop_path_rate', 'norm_cfg', 'mlp_ratio',
                'use_mean_pooling', 'return_feat_map', 'qkv_bias'):
        assert cfg.model.backbone[key] == host.model.backbone[key], key
    # Ours writes checkpoints whole, with the host's settings.
    assert host.default_hooks.checkpoint.type == 'CheckpointHook'
    host.default_hooks.checkpoint.type = 'amd_mm.WholeCheckpointHook'
    for key in ('optim_wrapper', 'val_cfg', 'test_cfg', 'auto_scale_lr', 'default_hooks'):
        assert cfg[key] == host[key], key
    # Ours says no end twice, and its loop and data set can resume within an epoch.
    assert _bare(cfg.train_cfg) == dict(
        type='amd_mm.EpochTrainLoop', max_epochs=20, val_begin=1, val_interval=1)
    assert host.train_cfg.max_epochs == 20
    warm_up, cosine = host.param_scheduler
    assert warm_up.pop('begin') == 0 and warm_up.pop('by_epoch')
    assert (cosine.pop('T_max'), cosine.pop('end'), cosine.pop('by_epoch')) == (15, 20, True)
    assert cfg.param_scheduler == [_bare(warm_up), _bare(cosine)]
    assert cfg.global_batch_size == host.auto_scale_lr.base_batch_size
    for part in ('train', 'val', 'test'):
        ours, theirs = (dict(one[f'{part}_dataloader']) for one in (cfg, host))
        data, host_data = ours.pop('dataset'), theirs.pop('dataset')
        if part == 'train':
            assert data.type == 'amd_mm.KeyedDataset' and data.pipeline == []
            data = data.dataset
            assert ours.pop('collate_fn').type == 'amd_mm.datasets.collate_lists'
            ours['sampler'] = theirs['sampler']
        assert ours == theirs
        readers = {'amd_mm.PyAVInit', 'amd_mm.PyAVDecode', 'RawFrameDecode'}
        kept, host_kept = ([_bare(t) for t in one.pipeline if t.type not in readers]
                           for one in (data, host_data))
        assert kept == host_kept
        # The annotations of AVA 2.2, where mmaction2's other AVA configs have them.
        for key in ('ann_file', 'exclude_file', 'label_file', 'proposal_file'):
            assert data[key] == host_data[key].replace('ava_kinetics', 'ava')
        folder, first = ('videos_15min', 0) if 'videos' in name else ('rawframes', 1)
        assert (data.data_prefix.img, data.start_index) == (f'data/ava/{folder}', first)
    # Some of the host's transforms, inherited here, have namesakes among ours.
    ours = transfer.OURS - set(TRANSFORMS.module_dict)
    for node in nodes(cfg._cfg_dict):
        assert node.get('type') not in ours, f'{node.type} lacks amd_mm.'


# Rate per 256 clips and decay of a layer, by size and whether Kinetics labels were used.
RATES = {('base', False): (2.5e-4, .75), ('base', True): (5e-4, .75),
         ('small', False): (1e-3, .6), ('small', True): (5e-4, .6)}


@pytest.mark.parametrize('name', VIDEOMAES)
def test_videomaes_own_recipe(name: str) -> None:
    cfg = Config.fromfile(RECIPES[name])
    assert len(RECIPES[name].read_text().splitlines()) <= 20
    size = name.split('-')[1]
    rate, decay = RATES[size, '-pre-ft_' in name]
    assert encoder_size(cfg.model.backbone) == ENCODERS[size]
    assert cfg.model.backbone.drop_path_rate == .2
    assert cfg.model.roi_head.bbox_head.in_channels == cfg.model.backbone.embed_dims
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(rate * 128 / 256)
    assert cfg.optim_wrapper.paramwise_cfg.decay_rate == decay
    assert cfg.optim_wrapper.clip_grad is None
    warm_up, cosine = cfg.param_scheduler
    assert warm_up.end == cosine.begin == 5
    assert cosine.eta_min_ratio * rate == pytest.approx(1e-6)
    readers = {'PyAVInit', 'PyAVDecode', 'RawFrameDecode'}
    for part, dataset in ava_set.datasets(cfg).items():
        steps = [step.type.split('.')[-1] for step in dataset.pipeline]
        shape = ['RandomCrop', 'ClipHSVJitter', 'Flip'] if part == 'train' else []
        assert [step for step in steps if step not in readers] == [
            'SampleKeyFrameClip', 'Resize', *shape, 'FormatShape', 'PackActionInputs']
        assert ('PyAVInit' in steps) == ('videos' in name) == (dataset.start_index == 0)
        assert dataset.get('person_det_score_thr') == (None if part == 'train' else .8)


def test_only_annotated_boxes_are_trained_on(root: Path, tmp_path: Path) -> None:
    """However near a proposal comes to one; mmaction2's recipe takes those above 0.9 too."""
    boxes = {}
    for name in (BASE, VIDEOMAE):
        cfg = ava_set.small(name, root, tmp_path, None)
        head = MODELS.build(cfg.model).roi_head
        annotated = torch.tensor([[10., 10, 60, 60], [70, 5, 120, 90]])
        proposals = torch.tensor([[10., 10, 60, 61], [0, 0, 30, 30]])
        labels = torch.eye(ava_set.NUM_CLASSES)[[1, 3]]
        truth = InstanceData(bboxes=annotated, labels=labels)
        found = InstanceData(priors=proposals)
        sampled = head.bbox_sampler.sample(
            head.bbox_assigner.assign(found, truth, None), found, truth)
        boxes[name] = sampled.priors
    assert boxes[VIDEOMAE].tolist() == annotated.tolist()
    assert len(boxes[BASE]) == 4


def _bare(transform: dict) -> dict:
    return {key: value for key, value in transform.items() if key != '_scope_'}


def _inheriting_host() -> Path:
    path = Path('host.py')
    path.write_text(f'_base_ = [{HOST!r}]\n')
    return path


class Detections(Hook):
    """Keeps what a test run found: key frame, which box of it or None, and scores."""

    def __init__(self) -> None:
        self.found: list[tuple] = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=()) -> None:
        for sample in outputs:
            boxes = sample.pred_instances.bboxes.numpy()
            for box, scores in zip(boxes, sample.pred_instances.scores.tolist(), strict=True):
                place = next((known for known in (ava_set.LEFT, ava_set.RIGHT)
                              if np.allclose(box, known, atol=.05)), None)
                self.found.append((sample.video_id, int(sample.timestamp), place, scores))

    def mean_average_precision(self) -> float:
        """Over the classes of the set; excluded key frames count as missed, as mmaction2 has it.

        Precision at a rank is the best from there on, averaged over the boxes to be found.
        """
        scene = dict(carphone=1, bikes=3)
        values = []
        for label in ava_set.LABELS:
            wanted = {(video, timestamp, place) for video, timestamp in ava_set.KEY_FRAMES
                      for place in (ava_set.LEFT, ava_set.RIGHT)
                      if label in (scene[video], 4 if place is ava_set.RIGHT else None)}
            ranked = sorted(self.found, key=lambda one: -one[3][label])
            hits = np.array([one[:3] in wanted for one in ranked])
            precision = hits.cumsum() / np.arange(1, len(hits) + 1)
            best = np.maximum.accumulate(precision[::-1])[::-1]
            values.append(best[hits].sum() / len(wanted))
        return float(np.mean(values))


def train_and_test(cfg: Config) -> tuple[Runner, dict[str, float], Detections]:
    """As tools/train.py and tools/test.py do."""
    runner = build_training_runner(cfg)
    runner.train()
    cfg.load_from = str(Path(cfg.work_dir, f'epoch_{cfg.train_cfg.max_epochs}.pth'))
    cfg.experiment_name += '_test'
    tester = build_runner(cfg)
    tester.register_hook(CompleteCheckpointHook())
    detections = Detections()
    tester.register_hook(detections)
    return runner, tester.test(), detections


@pytest.mark.parametrize('name', RECIPES)
def test_two_steps_and_map(name: str, root: Path, tmp_path: Path) -> None:
    cfg = ava_set.small(name, root, tmp_path / 'run', student_of(name, root))
    before = torch.load(student_of(name, root), weights_only=True)['state_dict']
    runner, metrics, detections = train_and_test(cfg)
    # Two batches of two: five of the six key frames, one is excluded, one fills no batch.
    assert runner.iter == 2 and len(runner.train_dataloader.dataset) == 5
    assert metrics['mAP/overall'] == pytest.approx(detections.mean_average_precision())
    # No utilisation: how much the head computes hangs on the boxes.
    assert transfer.throughput(runner) == {'clips_per_second', 'data_wait_share'}
    after = runner.model.backbone.state_dict()
    changed = {key: not torch.equal(value, before[f'backbone.{key}'])
               for key, value in after.items() if f'backbone.{key}' in before}
    assert changed.pop('pos_embed') is False and all(changed.values())
    # The norm before the pooled boxes is the student's own, which fine-tuning has not.
    assert ('norm.weight' in changed) == ('-pre-ft_' not in name)


@pytest.mark.parametrize('labels', ['pre', 'pre-ft'])
def test_training_starts_from_the_student(labels: str, root: Path, tmp_path: Path) -> None:
    name = BASE.replace('-pre_', f'-{labels}_')
    cfg = ava_set.small(name, root, tmp_path, student_of(name, root))
    model = MODELS.build(cfg.model)
    model.init_weights()
    student = torch.load(student_of(name, root), weights_only=True)['state_dict']
    for key, value in model.backbone.state_dict().items():
        if key.startswith('norm.') and labels == 'pre-ft':
            assert value.unique().tolist() == [1. if 'weight' in key else 0.]
        else:
            assert torch.equal(value, student[f'backbone.{key}']), key
    # The head's own start: Xavier, normal.
    weight = model.roi_head.bbox_head.fc_cls.weight
    assert weight.std().item() == pytest.approx((2 / sum(weight.shape))**.5, rel=.3)


def test_a_student_without_a_block_stops(root: Path, tmp_path: Path) -> None:
    content = torch.load(root / 'pre.pth', weights_only=True)
    del content['state_dict']['backbone.blocks.1.norm2.weight']
    torch.save(content, tmp_path / 'broken.pth')
    model = MODELS.build(ava_set.small(BASE, root, tmp_path, tmp_path / 'broken.pth').model)
    with pytest.raises(ValueError, match='norm2'):
        model.init_weights()


def test_it_learns(root: Path, tmp_path: Path) -> None:
    """Scene and side of a box are told apart; validation and test agree on the mAP.

    The metric counts boxes of excluded key frames as missed: two of six for one scene, one of
    six for the side. More than the mean of 1, 4/6 and 5/6 is out of reach.
    """
    cfg = ava_set.small(BASE, root, tmp_path / 'run', root / 'pre.pth')
    cfg.train_cfg.update(max_epochs=40, val_interval=40)
    cfg.default_hooks.checkpoint.interval = 40
    cfg.optim_wrapper.optimizer.lr = 1e-2
    cfg.param_scheduler = []
    cfg.model.backbone.drop_path_rate = 0.
    cfg.model.roi_head.bbox_head.dropout_ratio = 0.
    runner, metrics, detections = train_and_test(cfg)
    assert metrics['mAP/overall'] == pytest.approx((1 + 4 / 6 + 5 / 6) / 3)
    validated = runner.message_hub.get_scalar('val/mAP/overall').current()
    assert metrics['mAP/overall'] == pytest.approx(validated)


@pytest.mark.parametrize('name', [BASE, BASE.replace('ava22', 'ava22-videos')])
def test_clips_end_where_the_video_ends(name: str, root: Path, tmp_path: Path) -> None:
    cfg = ava_set.small(name, root, tmp_path, None)
    first = 1 if name == BASE else 0
    data = cfg.test_dataloader.dataset
    opening = 1 if name == BASE else 2
    data.pipeline[opening - 1].update(clip_len=8, frame_interval=8)
    sample = DATASETS.build(dict(data, pipeline=data.pipeline[:opening + 1]))[2]
    assert sample['img_key'] == 'carphone,0003'
    assert sample['frame_inds'].tolist() == [
        min(3 * ava_set.FPS + 2 * first + 8 * step, 39 + first) if step > -4 else first
        for step in range(-4, 4)]
    assert len(sample['imgs']) == 8
    scale = np.array(ava_set.SIZE * 2)
    np.testing.assert_allclose(
        sample['proposals'], np.array([ava_set.LEFT, ava_set.RIGHT]) * scale, rtol=1e-6)


@pytest.mark.parametrize('part', ['train', 'val'])
def test_nothing_is_trained_before_all_is_checked(part: str, root: Path, tmp_path: Path,
                                                  monkeypatch) -> None:
    cfg = ava_set.small(BASE, root, tmp_path / 'run', root / 'pre.pth')
    bad = tmp_path / 'bad.csv'
    bad.write_text('\n'.join([*ava_set.annotation_rows(), 'bikes,0001,0.1,0.1,1.2,0.9,3,0']))
    ava_set.datasets(cfg)[part].ann_file = str(bad)
    runner = build_training_runner(cfg)
    steps = []
    monkeypatch.setattr(runner.model, 'train_step', lambda *_, **__: steps.append(1) or {})
    with pytest.raises(ValueError, match='bad.csv:19: a box must lie'):
        runner.train()
    assert not steps


def test_what_is_allowed_goes_through(root: Path, tmp_path: Path) -> None:
    """As AVA's own: a key frame without proposal, and labels that the metric does not know."""
    cfg = ava_set.small(BASE, root, tmp_path / 'run', root / 'pre.pth')
    rows = ava_set.annotation_rows()
    ava_set.write_rows(tmp_path, [
        *rows, *(row.replace(',4,1', ',2,1') for row in rows if ',4,1' in row)])
    proposals = ava_set.make_proposals()
    del proposals['bikes,0002']
    ava_set.write_proposals(tmp_path, proposals)
    for dataset in ava_set.datasets(cfg).values():
        dataset.update(ann_file=str(tmp_path / 'boxes.csv'), unnamed_labels=True,
                       proposal_file=str(tmp_path / 'proposals.pkl'), missing_proposals=True)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(tmp_path / 'boxes.csv')
    _, metrics, detections = train_and_test(cfg)
    assert metrics['mAP/overall'] == pytest.approx(detections.mean_average_precision())


def test_own_data_as_documented(root: Path, tmp_path: Path) -> None:
    """The config of docs/detection.md, on files that lie where it says."""
    text = (CONFIGS.parent / 'docs' / 'detection.md').read_text()
    config, = re.findall(r'```python\n(.*?)```', text, flags=re.DOTALL)
    (tmp_path / 'own.py').write_text(config)
    own = tmp_path / 'data' / 'own'
    own.mkdir(parents=True)
    for name, source in (('train.csv', 'boxes.csv'), ('val.csv', 'boxes.csv'), *(
            (name, name) for name in ('labels.pbtxt', 'proposals.pkl', 'videos'))):
        (own / name).symlink_to(root / source)
    (tmp_path / 'student.pth').symlink_to(root / 'pre.pth')
    cfg = Config.fromfile(tmp_path / 'own.py')
    ava_set.shrink(cfg, tmp_path / 'run')
    for dataset in ava_set.datasets(cfg).values():
        dataset.fps = ava_set.FPS
    runner, metrics, detections = train_and_test(cfg)
    assert len(runner.train_dataloader.dataset) == len(ava_set.KEY_FRAMES)
    assert runner.model.roi_head.bbox_head.fc_cls.out_features == ava_set.NUM_CLASSES
    assert metrics['mAP/overall'] == pytest.approx(detections.mean_average_precision())
