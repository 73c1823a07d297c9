"""What users get wrong stops before training, and says where and why."""
from pathlib import Path

import numpy as np
import pytest
import tiny_vits
import torch
import transfer
from clips import write_video
from mmengine.config import Config
from mmengine.runner import Runner

from amd_mm.engine import CompleteCheckpointHook
from amd_mm.engine.hooks.label_range_hook import ClassLabelsHook

K400 = 'vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb'
SSV2 = 'vit-small-p16_sthv2-amd-pre_b256-u16-40e_sthv2-rgb'
OWN_VIDEOS = 'vit-small-p16_k400-amd-pre_b8-16x4x1-50e_own-videos-rgb'
OWN_IMAGES = 'vit-small-p16_amd-pre_b64-coslr-50e_own-images'
MEAN_PRECISION = dict(type='mmaction.AccMetric', metric_list='mean_average_precision')


@pytest.fixture
def own(tmp_path: Path) -> Config:
    """One's own videos: two of each of two classes."""
    names = transfer.make_videos(tmp_path / 'videos')
    transfer.write_list(tmp_path / 'train.txt', names, [0, 1, 0, 1])
    (tmp_path / 'classes.txt').write_text('left\nright\n')
    cfg = transfer.small(OWN_VIDEOS, tmp_path / 'run', transfer.make_student(
        tmp_path / 'student.pth', 'video'))
    transfer.use_videos(cfg, tmp_path / 'videos', tmp_path / 'train.txt')
    transfer.use_classes(cfg, tmp_path / 'classes.txt')
    return cfg


def start(cfg: Config) -> Runner:
    """What happens between building and the first step that has to do with labels."""
    runner = transfer.build_runner(cfg)
    next(hook for hook in runner.hooks if isinstance(hook, ClassLabelsHook)).before_train(runner)
    return runner


@pytest.mark.parametrize(('labels', 'words'), [
    ([0, 1, 2, 1], r'train.txt:3: a label must be in \[0, 2\), got 2'),
    ([0, -1, 0, 1], r'train.txt:2: a label must be in \[0, 2\), got -1'),
    ([0, 0, 0, 0], r"train data: every class must have a sample, but 1 of 2 have none: 'right' "
                   r'\(1\); check that list and class list belong together'),
])
def test_labels_and_class_list_of_own_videos(labels: list, words: str, own: Config,
                                             tmp_path: Path) -> None:
    names = sorted(path.name for path in (tmp_path / 'videos').iterdir())
    transfer.write_list(tmp_path / 'train.txt', names, labels)
    with pytest.raises(ValueError, match=words):
        start(own)


def test_a_class_without_validation_sample_is_only_told(own: Config, tmp_path: Path,
                                                        monkeypatch) -> None:
    said = []
    monkeypatch.setattr('amd_mm.datasets.labels.print_log',
                        lambda text, *_, **__: said.append(text))
    val = transfer.write_list(tmp_path / 'val.txt', ['one.mp4'], [0])
    transfer.datasets(own)['val'].ann_file = str(val)
    runner = start(own)
    assert any("val data: every class must have a sample" in text for text in said)
    assert runner.model.cls_head.num_classes == 2
    assert [augment.num_classes for augment in
            runner.model.data_preprocessor.blending.augments] == [2, 2]


@pytest.mark.parametrize(('text', 'words'), [
    ('', 'one name a line, each once, but there is no line'),
    ('left\n\nright\n', 'an empty line'),
    ('left\nright\nleft\n', "'left' twice"),
])
def test_class_list(text: str, words: str, own: Config, tmp_path: Path) -> None:
    (tmp_path / 'classes.txt').write_text(text)
    with pytest.raises(ValueError, match=words):
        transfer.build_runner(own)


def test_another_class_list_for_validation(own: Config, tmp_path: Path) -> None:
    (tmp_path / 'other.txt').write_text('right\nleft\n')
    transfer.datasets(own)['val'].metainfo = dict(classes=str(tmp_path / 'other.txt'))
    with pytest.raises(ValueError, match='val data: must have the classes of the train data, in '
                                         'that order, but their order differs'):
        transfer.build_runner(own)


def test_missing_videos_are_counted_and_listed(own: Config, tmp_path: Path) -> None:
    transfer.write_list(tmp_path / 'train.txt', ['real 0.mp4', 'no.mp4', 'nor this.mp4'], [0, 1, 1])
    with pytest.raises(ValueError, match='2 of 3 are missing: .*no.mp4, .*nor this.mp4'):
        start(own)


@pytest.mark.parametrize(('changes', 'words'), [
    ({}, "val_evaluator must measure several labels a sample .*'mmaction.AccMetric'.*; take dict"),
    (dict(val_evaluator=MEAN_PRECISION), "test_evaluator .* got .*'mmaction.AccMetric'"),
    (dict(val_evaluator=MEAN_PRECISION, test_evaluator=dict(type='mmaction.ConfusionMatrix')),
     'test_evaluator .*ConfusionMatrix'),
    (dict(val_evaluator=MEAN_PRECISION, test_evaluator=MEAN_PRECISION),
     "save_best must be a metric of several labels .* got 'acc/top1'; take"),
])
def test_what_reads_one_label_a_video_is_refused_for_several(
        changes: dict, words: str, own: Config) -> None:
    for dataset in transfer.datasets(own).values():
        dataset.multi_class = True
    own.merge_from_dict({name: dict(value, _delete_=True) for name, value in changes.items()})
    with pytest.raises(ValueError, match=words):
        transfer.build_runner(own)
    transfer.datasets(own)['val'].multi_class = False
    with pytest.raises(ValueError, match=r"multi_class must be the same .*'val': \[False\]"):
        transfer.build_runner(own)


def test_a_list_without_class_names(own: Config) -> None:
    for dataset in transfer.datasets(own).values():
        del dataset['metainfo']
    with pytest.raises(ValueError, match='a list must come with its class names'):
        transfer.build_runner(own)


def test_one_class_is_none(own: Config, tmp_path: Path) -> None:
    (tmp_path / 'classes.txt').write_text('left\n')
    with pytest.raises(ValueError, match="at least two classes apart, got one, 'left'; add a"):
        transfer.build_runner(own)


def test_labels_of_a_known_data_set(tmp_path: Path) -> None:
    names = transfer.make_videos(tmp_path / 'videos')
    cfg = transfer.small(K400, tmp_path / 'run', None)
    transfer.use_videos(cfg, tmp_path / 'videos', transfer.write_list(
        tmp_path / 'list.txt', names, [0, 1, 2, 400]))
    with pytest.raises(ValueError, match=r'list.txt:4: a label must be in \[0, 400\), got 400'):
        transfer.build_runner(cfg).build_train_loop(cfg.train_cfg)


class TestPictures:

    def config(self, tmp_path: Path) -> Config:
        cfg = transfer.small(OWN_IMAGES, tmp_path / 'run', None)
        transfer.use_pictures(cfg, transfer.make_pictures(tmp_path / 'pictures'))
        return cfg

    def test_an_empty_class_folder(self, tmp_path: Path) -> None:
        cfg = self.config(tmp_path)
        (tmp_path / 'pictures' / 'train' / 'nothing').mkdir()
        with pytest.raises(ValueError, match='train: every class folder must hold at least '
                                             'one file .*nothing'):
            transfer.build_runner(cfg)

    def test_a_class_that_only_training_has(self, tmp_path: Path) -> None:
        """Else every label after it would be another class."""
        cfg = self.config(tmp_path)
        (tmp_path / 'pictures' / 'val' / 'first').rename(tmp_path / 'pictures' / 'val' / 'third')
        with pytest.raises(ValueError, match='val data: must have the classes of the train data.*'
                                             'only one of the two has first, third'):
            transfer.build_runner(cfg)

    @pytest.mark.parametrize('label', [-1, 1000])
    def test_a_label_that_imagenet_does_not_have(self, label: int, tmp_path: Path) -> None:
        name = 'vit-base-p16_mae-pre_b1024-coslr-100e_in1k'
        cfg = transfer.small(name, tmp_path / 'run', transfer.make_student(
            tmp_path / 'image.pth', 'image'))
        root = transfer.make_pictures(tmp_path / 'pictures')
        transfer.use_pictures(cfg, root)
        transfer.write_list(root / 'train.txt', ['first/0.png', 'second/0.png'], [0, label])
        transfer.datasets(cfg)['train'].ann_file = 'train.txt'
        words = rf'train data: labels must be in \[0, 1000\).*{label}'
        with pytest.raises(ValueError, match=words):
            transfer.build_runner(cfg).train()

    @pytest.mark.parametrize('label', [-1, 2])
    def test_a_label_that_the_class_list_does_not_have(self, label: int, tmp_path: Path) -> None:
        cfg = self.config(tmp_path)
        transfer.write_list(tmp_path / 'pictures' / 'train.txt', ['first/0.png', 'second/0.png'],
                            [0, label])
        for dataset in transfer.datasets(cfg).values():
            dataset.metainfo = dict(classes=('first', 'second'))
        transfer.datasets(cfg)['train'].ann_file = 'train.txt'
        words = rf'train.txt:2: a label must be in \[0, 2\), got {label}'
        with pytest.raises(ValueError, match=words):
            start(cfg)

    def test_no_folder(self, tmp_path: Path) -> None:
        cfg = self.config(tmp_path)
        transfer.use_pictures(cfg, tmp_path / 'elsewhere')
        with pytest.raises(ValueError, match='elsewhere/train does not exist'):
            transfer.build_runner(cfg)


class TestCheckpoints:

    def runner(self, name: str, student: Path, tmp_path: Path):
        kind = student.stem
        cfg = transfer.small(name, tmp_path / 'run', student)
        if kind == 'video':
            names = transfer.make_videos(tmp_path / 'videos')
            transfer.use_videos(cfg, tmp_path / 'videos', transfer.write_list(
                tmp_path / 'list.txt', names, [0, 1, 2, 3]))
        else:
            transfer.use_pictures(cfg, transfer.make_pictures(tmp_path / 'pictures'))
        cfg.load_from = str(student)
        return transfer.build_runner(cfg)

    @pytest.mark.parametrize(('name', 'kind', 'missing'), [
        (K400, 'video', 'backbone.fc_norm.weight'),
        ('vit-base-p16_mae-pre_b1024-coslr-100e_in1k', 'image', 'backbone.ln2.weight'),
    ])
    def test_a_file_that_was_never_finetuned_is_not_tested(
            self, name: str, kind: str, missing: str, tmp_path: Path) -> None:
        runner = self.runner(name, transfer.make_student(tmp_path / f'{kind}.pth', kind), tmp_path)
        runner.register_hook(CompleteCheckpointHook())  # as tools/test.py does
        with pytest.raises(ValueError, match='must hold every weight .* not in the checkpoint: '
                                             f'.*{missing}.*has to be fine-tuned first'):
            runner.test()

    def test_a_student_of_another_size(self, tmp_path: Path) -> None:
        path = tmp_path / 'video.pth'
        torch.save({f'backbone.{name}': value for name, value in
                    tiny_vits.video_vit(embed_dims=48, depth=3).state_dict().items()}, path)
        with pytest.raises(ValueError, match='width: checkpoint 48, model 24; depth: checkpoint 3,'
                                             ' model 2'):
            self.runner(K400, path, tmp_path).train()

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises((ValueError, OSError), match='nowhere/video.pth'):
            self.runner(K400, tmp_path / 'nowhere' / 'video.pth', tmp_path).train()


@pytest.mark.parametrize('name', [K400, SSV2])
@pytest.mark.parametrize('frames', [1, 5, 17, 63])
def test_videos_shorter_than_the_span(name: str, frames: int, tmp_path: Path) -> None:
    """Training and testing take what there is: frames in order, the last one repeated."""
    write_video(tmp_path / 'video.mp4', frames)
    cfg = Config.fromfile(transfer.RECIPES[name])
    transfer.use_videos(cfg, tmp_path, transfer.write_list(
        tmp_path / 'list.txt', ['video.mp4'], [1]))
    for part, dataset in transfer.datasets(cfg).items():
        pipeline = dataset.pipeline[:2]
        results = transfer.DATASETS.build({**dataset, 'pipeline': pipeline})[0]
        clips = np.asarray(results['frame_inds']).reshape(-1, 16)
        assert len(clips) == {'train': 1, 'val': 1, 'test': 5 if name == K400 else 2}[part]
        assert clips.min() >= 0 and clips.max() < frames
        assert (np.diff(clips) >= 0).all()
