"""Numbers of made stages, in the table and in the file."""
import json
from dataclasses import replace

import pytest

from amd_mm.studies import Arm, Evaluation, Pretraining, Study, collect, draw, markdown

STUDY = Study(
    pretrainings=dict(teacher=Pretraining('a.py'), amd=Pretraining('a.py', 'teacher')),
    evaluations=dict(top1=Evaluation('b.py', 'acc/top1'),
                     knn_top1=Evaluation('c.py', 'acc/top1', train=False)),
    arms=dict(scratch=Arm(None), amd=Arm('amd'),
              teacher=Arm('teacher', configs=dict(knn_top1=None))),
    compare=(('amd', 'scratch'), ('amd', 'teacher')),
    splits=dict(test={}), chance=0.1)
TOP1 = {'scratch': (0.5, 0.6), 'amd': (0.75, 0.8), 'teacher': (0.9, 0.91)}


def stage(folder, seconds):
    folder.mkdir(parents=True)
    (folder / 'stage.json').write_text(json.dumps(dict(cpu_seconds=seconds)))


@pytest.fixture
def run(tmp_path):
    for seed in (0, 1):
        here = tmp_path / f'seed{seed}'
        stage(here / 'pretrain_teacher', 100 + seed)
        stage(here / 'pretrain_amd', 20)
        for arm, values in TOP1.items():
            stage(here / f'top1_{arm}', 3)
            for old, value in (('20260101', 0.), ('20260102', values[seed])):
                log = here / f'test_top1_{arm}' / old / f'{old}.json'
                log.parent.mkdir(parents=True)
                log.write_text(json.dumps({'acc/top1': value}))
        log = here / 'test_knn_top1_amd/1/1.json'
        log.parent.mkdir(parents=True)
        log.write_text(json.dumps({'acc/top1': 0.25}))
    return tmp_path


def test_the_file_has_every_number_and_its_cost(run):
    results = collect(STUDY, run, [0, 1], 'test')
    assert results['seeds'] == [0, 1]
    assert results['arms'] == dict(
        scratch=dict(top1=[0.5, 0.6], cpu_seconds=[3, 3], teacher_cpu_seconds=[0, 0]),
        amd=dict(top1=[0.75, 0.8], knn_top1=[0.25, 0.25], cpu_seconds=[23, 23],
                 teacher_cpu_seconds=[100, 101]),
        teacher=dict(top1=[0.9, 0.91], cpu_seconds=[103, 104], teacher_cpu_seconds=[0, 0]))
    assert json.loads(json.dumps(results)) == results


def test_percent_become_fractions_and_are_not_taken_for_them(run):
    for log in run.glob('seed*/test_top1_*/*/*.json'):
        log.write_text(json.dumps({'acc/top1': 100 * json.loads(log.read_text())['acc/top1']}))
    with pytest.raises(ValueError, match='top1 must give fractions, got 50 for scratch: set its'):
        collect(STUDY, run, [0, 1], 'test')
    percent = dict(STUDY.evaluations, top1=Evaluation('b.py', 'acc/top1', best=100))
    results = collect(replace(STUDY, evaluations=percent), run, [0, 1], 'test')
    assert results['arms']['amd']['top1'] == [0.75, 0.8]
    assert results['arms']['amd']['knn_top1'] == [0.25, 0.25]


def test_a_seed_that_is_not_whole_is_left_out(run):
    (run / 'seed1/top1_amd/stage.json').write_text(json.dumps(dict(key='begun')))
    results = collect(STUDY, run, [0, 1, 2], 'test')
    assert results['seeds'] == [0]
    assert results['arms']['amd']['top1'] == [0.75]
    assert '| amd | 75.0 | 75.0 | - | 23 | 100 |' in markdown(results)


def test_the_table_by_hand(run):
    lines = markdown(collect(STUDY, run, [0, 1], 'test')).splitlines()
    assert '| amd | 75.0 | 80.0 | 77.5 | 3.5 | 23 | 100 |' in lines
    # Differences 0.25 and 0.2: mean 0.225, t = 9 with 1 degree of freedom.
    assert '| amd - scratch | +22.5 | -9.3 to +54.3 | 0.07 | 0.14 | 0.5 |' in lines
    assert '| amd - teacher | -13.0 | -38.4 to +12.4 | 0.097 | 0.14 | 0.5 |' in lines
    assert lines[0] == 'top1, percent, on test:'
    assert 'knn_top1, percent, on test:' in lines


def test_the_picture_has_every_arm(run, tmp_path):
    draw(collect(STUDY, run, [0, 1], 'test'), 'top1', tmp_path / 'a.png')
    draw(collect(STUDY, run, [5], 'test'), 'top1', tmp_path / 'b.png')
    assert (tmp_path / 'a.png').stat().st_size > (tmp_path / 'b.png').stat().st_size > 0


@pytest.fixture
def draw_open(run, tmp_path, monkeypatch):
    """Draw so that the figure can be looked at."""
    from matplotlib import pyplot
    drawn = []

    def draw_open(seeds):
        with monkeypatch.context() as patched:
            patched.setattr(pyplot, 'close', drawn.append)
            draw(collect(STUDY, run, seeds, 'test'), 'top1', tmp_path / 'a.png')
        return drawn[-1]

    yield draw_open
    for figure in drawn:
        pyplot.close(figure)


def test_what_explains_the_line_hides_no_seed(draw_open):
    points = draw_open([0, 1]).axes[0]
    assert points.get_legend().get_window_extent().y0 > points.get_window_extent().y1


def test_one_seed_leaves_nothing_to_compare(draw_open):
    both = draw_open([0, 1])
    one = draw_open([0])
    assert [len(figure.axes) for figure in (both, one)] == [2, 1]
    assert [label.get_text() for label in one.axes[0].get_yticklabels()] == [
        label.get_text() for label in both.axes[0].get_yticklabels()]
