"""A page at every checkpoint, and training that does not notice."""
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from noise_runs import CLIP, IMAGE, train
from PIL import Image
from safetensors.torch import load_file

from amd_mm.engine import ReportHook
from amd_mm.engine.hooks import report_networks
from amd_mm.report import Record
from amd_mm.report.gathering import encoder

HOOK = dict(type='amd_mm.ReportHook', num_samples=2, max_share=1)


def states() -> tuple:
    """Of every generator that training may draw from."""
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()


@pytest.fixture
def labelled(tmp_path) -> Path:
    """Four pictures of two classes."""
    for label, colour in (('dark', 20), ('light', 230)):
        folder = tmp_path / 'labelled' / label
        folder.mkdir(parents=True)
        for number in range(2):
            Image.new('RGB', (40, 40), (colour + number, ) * 3).save(folder / f'{number}.png')
    return tmp_path / 'labelled'


@pytest.mark.parametrize('kind', ['image', 'clip'])
def test_a_run_with_and_without_ends_in_equal_bits_and_equal_generators(
        tmp_path, labelled, kind):
    case = dict(image=IMAGE, clip=CLIP)[kind]
    hook = dict(HOOK, knn=str(labelled)) if kind == 'image' else HOOK
    ends = []
    for hooks in ([], [hook]):
        weights = train(tmp_path / str(len(hooks)), hooks=hooks, **case).model.state_dict()
        ends.append((weights, states()))
    assert all(torch.equal(ends[0][0][name], value) for name, value in ends[1][0].items())
    assert ends[0][1] == ends[1][1]
    logs = [[json.loads(line) for line in next((tmp_path / name).glob(
        '*/vis_data/scalars.json')).read_text().splitlines()] for name in '01']
    timeless = [[{key: value for key, value in line.items() if 'time' not in key}
                 for line in log] for log in logs]
    assert timeless[0] == timeless[1] and len(timeless[0]) == 4

    page = (tmp_path / '1/report/index.html').read_text()
    assert ', update 4</h1>' in page and 'src="http' not in page and 'Not shown' not in page
    assert [page.count(f'<h3>Update {n}</h3><img') for n in (1, 2, 3, 4)] == [0, 2, 0, 2]
    assert page.count('<img') == 6  # both batches, and twice reconstruction and colours
    record = Record(tmp_path / '1')
    assert [point['update'] for point in record.points('health')] == [2, 4]
    assert [point['update'] for point in record.points('taps')] == [2, 4]
    assert record.read('facts')['parameters']['teacher'][1] == 0
    timed = record.read('times')['parts'].keys()
    assert {'teacher', 'student', 'backward', 'data', 'rest'} <= timed
    if kind == 'image':
        assert 'chance (2 classes)' in page
        assert [(point['update'], point['files'], point['classes'])
                for point in record.points('neighbours')] == [(2, 4, 2), (4, 4, 2)]

    # The encoder of the last checkpoint.
    found = load_file(tmp_path / '1' / encoder.NAME)
    weights = {name: value for name, value in ends[1][0].items() if name.startswith('backbone.')}
    assert found.keys() <= weights.keys() and len(found) > 20
    assert all(torch.equal(value, weights[name]) for name, value in found.items())
    assert '## Training' in (tmp_path / f'1/{encoder.NAME}.md').read_text()
    assert 'href="../encoder.safetensors"' in page and page.count('<pre>amd-mm ') == 3


def test_a_part_that_fails_is_named_and_the_rest_is_there(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError('no <memory>')
    monkeypatch.setattr(report_networks, 'reconstruct', fail)
    monkeypatch.setattr('amd_mm.engine.hooks.report_hook.run_facts', fail)
    runner = train(tmp_path, hooks=[HOOK], **IMAGE)
    page = (tmp_path / 'report/index.html').read_text()
    assert runner.iter == 4
    assert page.count('<p>Not shown: RuntimeError: no &lt;memory&gt;</p>') == 2
    assert '>loss</text>' in page and 'patch features as colours' in page


def test_a_page_that_cannot_be_written_ends_nothing(tmp_path):
    (tmp_path / 'report').write_text('a file where the folder should be')
    assert train(tmp_path, hooks=[dict(HOOK, export=False)], **IMAGE).iter == 4
    assert not (tmp_path / encoder.NAME).exists()


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr('amd_mm.engine.hooks.report_hook.is_main_process', lambda: False)
    assert train(tmp_path, hooks=[HOOK], **IMAGE).iter == 4
    assert not (tmp_path / 'report').exists() and not (tmp_path / encoder.NAME).exists()


def test_networks_are_asked_less_often_where_that_takes_too_long(tmp_path):
    """A share of next to nothing: at the first checkpoint, and at the end."""
    train(tmp_path, hooks=[dict(HOOK, max_share=1e-9)], saves=1, **IMAGE)
    assert [point['update'] for point in Record(tmp_path).points('health')] == [1, 4]
    assert Record(tmp_path).read('progress')['update'] == 4


def test_a_folder_for_neighbours_is_looked_at_first(tmp_path):
    with pytest.raises(ValueError, match='must be a folder with one folder a class'):
        train(tmp_path, hooks=[dict(HOOK, knn=str(tmp_path / 'nowhere'))], **IMAGE)


@pytest.mark.parametrize('name, least', [
    ('num_samples', 1), ('num_strips', 1), ('num_probed', 2), ('knn_files', 4)])
def test_numbers_are_checked(name, least):
    with pytest.raises(ValueError, match=f'{name} of ReportHook .* at least {least}, got 0'):
        ReportHook(**{name: 0})


@pytest.mark.parametrize('share', [0, 1.5])
def test_the_share_is_one(share):
    with pytest.raises(ValueError, match='max_share of ReportHook'):
        ReportHook(max_share=share)
