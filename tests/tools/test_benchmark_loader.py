import json
import runpy
import sys
import time
from pathlib import Path
from pkgutil import resolve_name

import cv2
import numpy as np
import pytest
import torch
from clips import write_video
from clock import Clock
from mmengine.config import Config
from recipes import CONFIGS
from runs import run_tool

SCRIPT = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_loader.py'
CONFIG = """
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type='amd_mm.EpochSampler'),
    collate_fn=dict(type='amd_mm.datasets.collate_repeats'),
    dataset=dict(
        type='amd_mm.KeyedDataset', num_repeats=3,
        dataset={inner},
        pipeline=[dict(type='amd_mm.MultiScaleCrop'),
                  dict(type='amd_mm.ResizeClip', scale=(16, 16)),
                  dict(type='mmaction.FormatShape', input_format='NCTHW'),
                  dict(type='mmaction.PackActionInputs')]))
"""
VIDEOS = """dict(
    type='amd_mm.VideoDataset', data_prefix=dict(video='{folder}'),
    pipeline=[dict(type='amd_mm.PyAVInit'),
              dict(type='amd_mm.SampleStridedFrames', clip_len=4, frame_interval=2),
              dict(type='amd_mm.PyAVDecode')])"""
FRAMES = """dict(
    type='amd_mm.RawframeDataset', data_prefix=dict(img='{folder}'), ann_file='{folder}/list.txt',
    pipeline=[dict(type='amd_mm.SampleStridedFrames', clip_len=4, frame_interval=2),
              dict(type='amd_mm.RawFrameDecode')])"""


# Of a sample with 3 repeats, a second a transform, of which some have no name of their own; as
# long as the first frame takes, no other takes any time.
TICKS = dict(open=1, seek=1, decode=0, crop=3, resize=3, pack=7)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Each look at it takes a second, also in the processes that it is inherited by."""
    clock = Clock(tick=1.)
    monkeypatch.setattr(time, 'perf_counter', clock.perf_counter)
    return clock


@pytest.fixture(autouse=True)
def own_threads():
    """The measurement sets the threads of its process; here it is ours."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


def run(monkeypatch, tmp_path, inner, *arguments):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(inner=inner.format(folder=tmp_path)))
    monkeypatch.setattr(sys, 'argv', ['', str(config), '--samples', '4', '--json',
                                      str(tmp_path / 'out.json'), *arguments])
    run_tool(SCRIPT)
    return json.loads((tmp_path / 'out.json').read_text())


def test_every_decoder_and_the_data_loader(monkeypatch, tmp_path, capfd):
    for number in range(2):
        write_video(tmp_path / f'{number}.mp4', 30)
    report = run(monkeypatch, tmp_path, VIDEOS, '--workers', '1')
    assert list(report['decoders']) == ['pyav', 'decord', 'opencv']
    for found in report['decoders'].values():
        assert list(found['seconds_by_stage']) == ['open', 'seek', 'decode', 'crop', 'resize',
                                                   'pack']
        assert found['seconds_by_stage'] == pytest.approx(TICKS)
        # Two looks at the clock a transform, of which there are 15; and one at the end of all.
        assert found['seconds_a_sample'] == pytest.approx(2 * 15 + 1 / 4)
        assert found['clips_per_second'] == pytest.approx(3 / (2 * 15 + 1 / 4))
    # Two batches of 2 samples from one look at the clock to the next.
    assert report['loader'] == dict(workers=1, clips_per_second=12)
    assert report['bottleneck'] == 'pack' and 'pack holds it back' in capfd.readouterr().out


@pytest.mark.parametrize('slow,stage', [
    ('amd_mm.datasets.transforms.decoding.IndexedVideo', 'open'),
    ('amd_mm.datasets.transforms.cropping.F.interpolate', 'resize'),
    ('amd_mm.datasets.transforms.cropping.np.stack', 'crop')])
def test_the_slow_stage_is_named(monkeypatch, tmp_path, clock, slow, stage):
    write_video(tmp_path / 'a.mp4', 30)
    module, _, name = slow.rpartition('.')
    owner = resolve_name(module)
    function = getattr(owner, name)

    def slowly(*args, **kwargs):
        clock.sleep(20.)
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, slowly)
    report = run(monkeypatch, tmp_path, VIDEOS, '--decoders', 'pyav')
    assert report['bottleneck'] == stage
    expected = {**TICKS, stage: TICKS[stage] + 20 * (1 if stage == 'open' else 3)}
    assert report['decoders']['pyav']['seconds_by_stage'] == pytest.approx(expected)


def test_extracted_frames_have_one_way(monkeypatch, tmp_path):
    (tmp_path / 'clip').mkdir()
    for number in range(1, 13):
        cv2.imwrite(str(tmp_path / 'clip' / f'img_{number:05}.jpg'),
                    np.full((20, 30, 3), number, np.uint8))
    (tmp_path / 'list.txt').write_text('clip 12 0\n')
    report = run(monkeypatch, tmp_path, FRAMES)
    own, = report['decoders'].values()
    assert list(own['seconds_by_stage']) == ['decode', 'crop', 'resize', 'pack']


def test_seeking_is_what_comes_before_the_first_frame(tmp_path, clock):
    write_video(tmp_path / 'a.mp4', 60)
    benchmark = runpy.run_path(str(SCRIPT))
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(inner=VIDEOS.format(folder=tmp_path)))
    dataset = benchmark['DATASETS'].build(
        Config.fromfile(config).train_dataloader.dataset)

    def reader(results):
        clock.sleep(4 if len(results['frame_inds']) == 1 else 19)

    dataset.dataset.pipeline.transforms[-1] = reader
    # Either takes a tick as well.
    assert benchmark['seek_share'](dataset, 4) == pytest.approx(.25)


def test_other_data_sets_are_refused(monkeypatch, tmp_path, capsys):
    (tmp_path / 'host.py').write_text(
        "train_dataloader = dict(dataset=dict(type='mmaction.VideoDataset'))")
    monkeypatch.setattr(sys, 'argv', ['', str(tmp_path / 'host.py')])
    with pytest.raises(SystemExit, match='2'):
        run_tool(SCRIPT)
    assert 'must be an amd_mm.KeyedDataset, got mmaction.Vid' in capsys.readouterr().err


def test_pictures_have_one_way_and_nothing_to_seek(monkeypatch, tmp_path):
    cfg = Config.fromfile(CONFIGS / '_base_/datasets/own_images.py')
    for number in range(3):
        cv2.imwrite(str(tmp_path / f'{number}.png'), np.full((40, 30, 3), number, np.uint8))
    cfg.train_dataloader.dataset.dataset.data_prefix = str(tmp_path)
    cfg.dump(tmp_path / 'images.py')
    monkeypatch.setattr(sys, 'argv', ['', str(tmp_path / 'images.py'), '--samples', '4', '--json',
                                      str(tmp_path / 'out.json')])
    run_tool(SCRIPT)
    found = json.loads((tmp_path / 'out.json').read_text())['decoders']['own']
    assert set(found['seconds_by_stage']) == {'decode', 'crop', 'pack'}
