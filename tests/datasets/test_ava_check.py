"""What is wrong with annotations stops before training, and is named with file and line."""
import gc
import os
import pickle
import shutil
import signal
import threading
from pathlib import Path

import ava_set
import numpy as np
import pytest
from clips import write_broken_videos
from mmengine.config import Config
from unsafe_files import Bomb

from amd_mm.datasets import AVADataset
from amd_mm.datasets.ava_check import check_num_classes

ROWS = ava_set.annotation_rows()


@pytest.fixture(autouse=True)
def quick_collection():
    """A data set collects garbage when it is built; spares it to look through all of torch."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    return ava_set.make_set(tmp_path_factory.mktemp('ava') / 'set')


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A set of one's own to spoil."""
    return Path(shutil.copytree(made, tmp_path / 'set'))


def build(root: Path, **changes) -> AVADataset:
    config = dict(
        ann_file=str(root / 'boxes.csv'), label_file=str(root / 'labels.pbtxt'),
        proposal_file=str(root / 'proposals.pkl'), exclude_file=str(root / 'excluded.csv'),
        data_prefix=dict(img=str(root / 'rawframes')), num_classes=ava_set.NUM_CLASSES,
        fps=ava_set.FPS, timestamp_start=0, pipeline=[])
    return AVADataset(**{**config, **changes})


def videos(root: Path) -> dict:
    return dict(use_frames=False, start_index=0, data_prefix=dict(img=str(root / 'videos')))


@pytest.mark.parametrize('kind', ['frames', 'videos'])
def test_a_set_without_fault(kind: str, root: Path) -> None:
    dataset = build(root, **(videos(root) if kind == 'videos' else {}))
    assert len(dataset) == 5
    info = dataset.get_data_info(0)
    assert info['img_key'] == 'carphone,0001'
    assert info['gt_labels'].tolist() == [[0, 1, 0, 0, 0], [0, 1, 0, 0, 1]]
    np.testing.assert_allclose(info['gt_bboxes'], [ava_set.LEFT, ava_set.RIGHT])
    np.testing.assert_allclose(info['proposals'], [ava_set.LEFT, ava_set.RIGHT])
    if kind == 'videos':
        assert info['filename'] == str(root / 'videos' / 'carphone.mp4')
    else:
        assert info['total_frames'] == 40


@pytest.mark.parametrize(('row', 'words'), [
    ('bikes,0001,0.1,0.1,1.2,0.9,3,0', r'a box must lie in \[0, 1\].* got 0.1,0.1,1.2,0.9'),
    ('bikes,0001,-0.1,0.1,0.2,0.9,3,0', r'a box must lie in \[0, 1\]'),
    ('bikes,0001,12,8,40,36,3,0', 'not pixels'),
    ('bikes,0001,0.5,0.1,0.2,0.9,3,0', 'x1 <= x2'),
    ('bikes,0001,nan,0.1,0.2,0.9,3,0', r'a box must lie in \[0, 1\]'),
    ('bikes,0001,0.1,0.1,0.2,0.9,5,0', r'a label must be in \[1, 5\), got 5'),
    ('bikes,0001,0.1,0.1,0.2,0.9,0,0', r'a label must be in \[1, 5\), got 0'),
    ('bikes,0001,0.1,0.1,0.2,0.9,-1,0', r'a label must be in \[1, 5\), got -1'),
    ('bikes,0001,0.1,0.1,0.2,0.9,2,0', 'a label must have a name in the label file, got 2'),
    ('bikes,0004,0.1,0.1,0.2,0.9,3,0',
     'a timestamp must lie in its video, 0 to 3 with 40 frames, 10 for each .* got 4'),
    ('bikes,-1,0.1,0.1,0.2,0.9,3,0', 'a timestamp must lie in its video'),
    ('cars,0001,0.1,0.1,0.2,0.9,3,0', 'rawframes/cars/img_00001.jpg is missing'),
    ('bikes,0001,0.1,0.1,0.2,0.9,3', 'a line must be "video,timestamp,x1,y1,x2,y2,label,person"'),
    ('bikes,0001,0.1,0.1,0.2,0.9,3,0,7', 'a line must be "video,'),
    ('bikes,1.5,0.1,0.1,0.2,0.9,3,0', 'a line must be "video,'),
    ('bikes,0001,,,,,,', 'a key frame without boxes has no line'),
    ('', 'a line must be "video,'),
])
def test_a_wrong_line_is_named(row: str, words: str, root: Path) -> None:
    ava_set.write_rows(root, [*ROWS[:4], row, *ROWS[4:]])
    with pytest.raises(ValueError, match=f'but 1 do not:\n  .*boxes.csv:5: .*{words}'):
        build(root)


def test_wrong_lines_are_counted(root: Path) -> None:
    ava_set.write_rows(root, [row.replace('0.950', '1.950') for row in ROWS])
    with pytest.raises(ValueError, match=r'but 12 do not:\n(  .*boxes.csv:\d+: .*\n){5}'
                                         '  and 7 more'):
        build(root)


def test_a_frame_is_missing(root: Path) -> None:
    """The key frame itself is there, a frame that its clip may need is not."""
    (root / 'rawframes' / 'bikes' / 'img_00007.jpg').unlink()
    with pytest.raises(ValueError, match=r'boxes.csv:10: .*bikes/img_00007.jpg is missing'):
        build(root)


def crash(*_: object, **__: object) -> None:
    # pytest has a handler of its own, which prints.
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
    os.abort()


class TestVideos:

    def test_no_file(self, root: Path) -> None:
        (root / 'videos' / 'bikes.mp4').unlink()
        with pytest.raises(ValueError, match='boxes.csv:10: .*videos/bikes is missing'):
            build(root, **videos(root))

    def test_an_unreadable_file(self, root: Path) -> None:
        broken = write_broken_videos(root)
        shutil.copy(broken['no_video_file'], root / 'videos' / 'bikes.mp4')
        with pytest.raises(ValueError, match='boxes.csv:10: .*videos/bikes.mp4 cannot be read'):
            build(root, **videos(root))

    @pytest.mark.parametrize('end, words', [
        (crash, r'crashed its process \(SIGABRT\)'),
        (lambda *_, **__: threading.Event().wait(), 'no end within the time_limit of 0.5 s')])
    def test_a_decoder_that_crashes_or_hangs(self, root: Path, monkeypatch, end, words) -> None:
        monkeypatch.setattr('amd_mm.datasets.ava_check.VideoReader', end)
        monkeypatch.setattr('amd_mm.datasets.ava_dataset.TIME_LIMIT', .5)
        with pytest.raises(ValueError, match=f'boxes.csv:10: .*bikes.mp4 cannot be read: {words}'):
            build(root, **videos(root))

    def test_another_rate(self, root: Path) -> None:
        with pytest.raises(ValueError, match='bikes.mp4 must play 5 frames a second, got 10.000'):
            build(root, **videos(root), fps=5)

    def test_timestamps_that_count_frames(self, root: Path) -> None:
        """fps=1 is how mmaction2 says so."""
        dataset = build(root, **videos(root), fps=1)
        assert len(dataset) == 5
        ava_set.write_rows(root, [*ROWS, 'bikes,0040,0.1,0.1,0.2,0.9,3,0'])
        with pytest.raises(ValueError, match='0 to 39 with 40 frames'):
            build(root, **videos(root), fps=1)

    def test_numbered_from_one(self, root: Path) -> None:
        with pytest.raises(ValueError, match='start_index of AVADataset must be 0 for videos'):
            build(root, **{**videos(root), 'start_index': 1})


class TestLabels:

    def test_gaps_need_room(self, root: Path) -> None:
        """num_classes is the largest id + 1, not the number of names + 1."""
        with pytest.raises(ValueError, match=r'labels.pbtxt:11: an id must be in \[1, 4\), got 4; '
                                             'num_classes is the largest id'):
            build(root, num_classes=4)

    def test_gaps_are_trained_if_allowed(self, root: Path) -> None:
        ava_set.write_rows(root, [*ROWS, 'carphone,0001,0.05,0.1,0.45,0.9,2,0'])
        with pytest.raises(ValueError, match='boxes.csv:19: .*got 2; add it, or set unnamed_'):
            build(root)
        dataset = build(root, unnamed_labels=True)
        assert dataset.get_data_info(0)['gt_labels'][0].tolist() == [0, 1, 1, 0, 0]
        ava_set.write_rows(root, [*ROWS, 'carphone,0001,0.05,0.1,0.45,0.9,5,0'])
        with pytest.raises(ValueError, match=r'boxes.csv:19: a label must be in \[1, 5\), got 5'):
            build(root, unnamed_labels=True)

    @pytest.mark.parametrize(('labels', 'words'), [
        ([(0, 'background'), (1, 'sit')], r'pbtxt:3: an id must be in \[1, 5\), got 0'),
        ([(1, 'sit'), (3, 'ride'), (3, 'drive')], 'pbtxt:11: an id must stand there once, got 3'),
        ([], 'must have items .* found none'),
    ])
    def test_a_wrong_file(self, labels: list, words: str, root: Path) -> None:
        ava_set.write_labels(root, labels)
        with pytest.raises(ValueError, match=words):
            build(root)

    def test_chosen_classes(self, root: Path) -> None:
        dataset = build(root, custom_classes=[3, 4], num_classes=3)
        assert len(dataset) == 5
        assert dataset.get_data_info(0)['gt_labels'].tolist() == [[0, 0, 1]]


class TestProposals:

    def change(self, root: Path, key: str, boxes: np.ndarray | None) -> None:
        proposals = ava_set.make_proposals()
        proposals[key] = boxes
        ava_set.write_proposals(root, {k: v for k, v in proposals.items() if v is not None})

    @pytest.mark.parametrize('boxes', [None, np.empty((0, 5))], ids=['no entry', 'no box'])
    def test_none_for_a_key_frame(self, boxes: np.ndarray | None, root: Path, monkeypatch) -> None:
        said = []
        monkeypatch.setattr('amd_mm.datasets.ava_check.print_log',
                            lambda text, *_, **__: said.append(text))
        self.change(root, 'bikes,0002', boxes)
        with pytest.raises(ValueError, match=r'proposals.pkl: every key frame must have a proposal'
                                             r', but 1 of 5 have none: bikes,0002 \(.*csv:13\); '
                                             'add them, or set missing_proposals=True'):
            build(root)
        assert not said
        dataset = build(root, missing_proposals=True)
        assert '1 of 5 have none' in said[0]
        assert dataset.get_data_info(4)['img_key'] == 'bikes,0002'
        assert dataset.get_data_info(4)['proposals'].tolist() == [[0, 0, 1, 1]]

    def test_none_for_an_excluded_key_frame(self, root: Path) -> None:
        self.change(root, 'bikes,0003', None)
        assert len(build(root)) == 5

    def test_of_other_videos(self, root: Path) -> None:
        ava_set.write_proposals(root, {
            key.replace(',000', ','): boxes for key, boxes in ava_set.make_proposals().items()})
        with pytest.raises(ValueError, match="5 of 5 have none.*belong together.*'carphone,1'"):
            build(root, missing_proposals=True)

    @pytest.mark.parametrize(('boxes', 'words'), [
        (np.array([[3., 4., 30., 20., .9]]), r'values in \[3, 30\]'),
        (np.array([.1, .1, .2, .2]), r'shape \(4,\)'),
        (np.zeros((2, 6)), r'shape \(2, 6\)'),
    ])
    def test_of_another_form(self, boxes: np.ndarray, words: str, root: Path) -> None:
        self.change(root, 'bikes,0002', boxes)
        with pytest.raises(ValueError, match=rf'proposals of bikes,0002 \(.*csv:13\) .*{words}'):
            build(root)


class TestNothingLeft:

    def test_no_line(self, root: Path) -> None:
        ava_set.write_rows(root, [])
        with pytest.raises(ValueError, match='boxes.csv: there must be at least one box'):
            build(root)

    def test_all_excluded(self, root: Path) -> None:
        (root / 'excluded.csv').write_text(''.join(
            f'{video},{timestamp}\n' for video, timestamp in ava_set.KEY_FRAMES))
        with pytest.raises(ValueError, match='after 6 excluded key frames there is none'):
            build(root)

    def test_no_named_label(self, root: Path) -> None:
        """There would be training, and no metric."""
        ava_set.write_rows(root, ['bikes,0001,0.1,0.1,0.2,0.9,2,0'])
        with pytest.raises(ValueError, match='at least one box with a named label'):
            build(root, unnamed_labels=True)


def test_proposals_are_data(root: Path) -> None:
    trace = root / 'executed'
    ava_set.write_proposals(root, dict(ava_set.make_proposals(), more=Bomb(trace)))
    with pytest.raises(ValueError, match=r'proposals\.pkl: a data file must hold .*Nothing of it'):
        build(root)
    assert not trace.exists()


@pytest.mark.parametrize('proposals', [[1, 2], 'text', None])
def test_proposals_of_another_form(proposals: object, root: Path) -> None:
    ava_set.write_proposals(root, proposals)
    with pytest.raises(ValueError, match=r'proposals\.pkl: proposals must be a dictionary'):
        build(root)


def test_an_exclusion_of_another_form(root: Path) -> None:
    (root / 'excluded.csv').write_text('bikes,0003\nbikes\n')
    with pytest.raises(ValueError, match='excluded.csv:2: a line must be "video,timestamp", got '
                                         '"bikes"'):
        build(root)


def test_an_unknown_argument(root: Path) -> None:
    with pytest.raises(TypeError, match='mispelt'):
        build(root, mispelt=1)


def test_lazy_sets_are_checked_too(root: Path) -> None:
    ava_set.write_proposals(root, {})
    with pytest.raises(ValueError, match='5 of 5 have none'):
        build(root, lazy_init=True)


def test_a_built_set_travels_to_workers(root: Path) -> None:
    dataset = pickle.loads(pickle.dumps(build(root)))
    assert dataset.get_data_info(1)['img_key'] == 'carphone,0002'


def detector(head: dict, data: dict, metric: dict) -> Config:
    dataset = dict(type='amd_mm.AVADataset', **data)
    return Config(dict(
        model=dict(type='FastRCNN', roi_head=dict(bbox_head=dict(type='BBoxHeadAVA', **head))),
        train_dataloader=dict(dataset=dict(type='amd_mm.KeyedDataset', dataset=dataset)),
        val_dataloader=dict(dataset=dataset), val_evaluator=dict(type='AVAMetric', **metric)))


@pytest.mark.parametrize('head, data, metric, words', [
    (dict(num_classes=5, topk=1), {}, {}, "bbox_head': 5, 'train_dataloader.dataset': 81, "),
    (dict(num_classes=5, topk=1), dict(num_classes=5), {}, "'val_evaluator': 81}; where"),
    ({}, dict(num_classes=5), dict(num_classes=5), "bbox_head': 81, .*'val_evaluator': 5"),
    (dict(num_classes=5), dict(num_classes=5), dict(num_classes=5),
     r'topk of .* must be below num_classes, 5, got \(3, 5\); set topk=1'),
    (dict(num_classes=3, topk=1), dict(num_classes=3, custom_classes=[2, 7]), dict(num_classes=3),
     "custom_classes must be the same .*'val_evaluator': None"),
])
def test_head_data_and_metric_have_the_same_classes(head, data, metric, words):
    with pytest.raises(ValueError, match=words):
        check_num_classes(detector(head, data, metric))


def test_classes_that_agree():
    check_num_classes(detector({}, {}, {}))
    five = dict(num_classes=5)
    check_num_classes(detector(dict(five, topk=(1, 3)), five, five))
    check_num_classes(Config(dict(model=dict(type='amd_mm.AMD'))))
