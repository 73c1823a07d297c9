"""The command on real and broken files, with a config whose teacher is nowhere to be had."""
import runpy
import sys
from pathlib import Path

import clips
import golden
import numpy as np
import pytest
import torch
from golden import amd_video, dmae_image
from mmengine.config import Config
from PIL import Image

from amd_mm.inference import batch_of, fixed_keys, read_clip, read_image, reconstruct
from amd_mm.visualization import describe, draw_strip, reconstruction_views

SCRIPT = Path(__file__).parents[2] / 'tools/visualizations/vis_reconstruction.py'
LOADER = dict(dataset=dict(pipeline=[dict(type='amd_mm.SampleStridedFrames', frame_interval=2)]))


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Writes config and checkpoint of a tiny model; returns their paths and the model."""
    def write(build, *arguments):
        model, taken = build(*arguments), {}
        with monkeypatch.context() as patch:
            patch.setattr(golden.MODELS, 'build', taken.update)
            build(*arguments)
        taken['teacher'] = dict(taken['teacher'], checkpoint='nowhere.pth')
        Config(dict(model=taken, train_dataloader=LOADER)).dump(tmp_path / 'config.py')
        torch.save(dict(state_dict=model.state_dict()), tmp_path / 'last.pth')
        return str(tmp_path / 'config.py'), str(tmp_path / 'last.pth'), model
    return write


@pytest.fixture
def command(monkeypatch):
    def run(*arguments) -> int:
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
        return runpy.run_path(str(SCRIPT))['main']()
    return run


def expected(model, item, place: int, seed: int) -> np.ndarray:
    samples = fixed_keys(place + 1, seed)[place:]
    made = reconstruct(model, batch_of(item, model.data_preprocessor), samples)
    return draw_strip(reconstruction_views(*made, model.backbone.grid), describe(model), 4)


def test_pictures(trained, command, tmp_path, capsys):
    config, checkpoint, model = trained(dmae_image, 'token')
    rng = np.random.default_rng(0)
    files = [tmp_path / 'a folder' / 'x.png', tmp_path / 'x.png', tmp_path / 'gray.png']
    files[0].parent.mkdir()
    for path, shape in zip(files, [(40, 50, 3), (32, 32, 3), (32, 32)], strict=True):
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(path)
    (tmp_path / 'text.png').write_text('no picture')
    out = tmp_path / 'out'

    status = command(config, checkpoint, tmp_path / 'text.png', *files, '--out', out, '--seed', 3)
    said = capsys.readouterr()
    assert status == 2
    assert f'{tmp_path / "text.png"}: must be a picture' in said.err
    assert '1 of 4 inputs could not be read' in said.err
    assert f'{tmp_path / "gray.png"}: it has no colour' in said.out
    assert said.out.count('True patch statistics were used') == 1
    assert sorted(path.name for path in out.iterdir()) == ['gray.png', 'x-2.png', 'x.png']
    for place, (path, name) in enumerate(zip(files, ['x', 'x-2', 'gray'], strict=True), start=1):
        with Image.open(out / f'{name}.png') as picture:
            assert np.array_equal(picture, expected(model, read_image(path, (32, 32)), place, 3))


def test_clips(trained, command, tmp_path, capsys):
    config, checkpoint, model = trained(amd_video)
    files = [clips.REAL / 'bikes.mp4', clips.write_video(tmp_path / 'short.mp4', 6)]
    out = tmp_path / 'out'
    assert command(config, checkpoint, *files, '--out', out, '--max-frames', 4) == 0
    said = capsys.readouterr()
    assert said.err == '' and 'short.mp4: it has 6 frames, 8 at interval 2 span 15' in said.out
    assert 'True patch statistics were used' in said.out
    assert sorted(path.name for path in out.iterdir()) == [
        'bikes.gif', 'bikes.png', 'short.gif', 'short.png']
    for place, path in enumerate(files):
        item = read_clip(path, (8, 32, 32), 2)
        with Image.open(out / f'{path.stem}.png') as picture:
            assert np.array_equal(picture, expected(model, item, place, 0))

    # Frames that repeat have predictions of their own.
    for name in ('bikes', 'short'):
        with Image.open(out / f'{name}.gif') as gif:
            assert gif.n_frames == 8

    # Another interval shows other frames.
    before = (out / 'bikes.png').read_bytes()
    command(config, checkpoint, files[0], '--out', out, '--max-frames', 4, '--frame-interval', 5)
    assert (out / 'bikes.png').read_bytes() != before


def test_all_broken_clips_are_named(trained, command, tmp_path, capsys):
    config, checkpoint, _ = trained(amd_video)
    broken = clips.write_broken_videos(tmp_path)
    files = [broken[name] for name in ('empty', 'no_index', 'no_video_stream')]
    assert command(config, checkpoint, *files, '--out', tmp_path / 'out') == 2
    said = capsys.readouterr().err
    assert all(f'{path}: must be a video' in said for path in files)
    assert '3 of 3 inputs could not be read' in said
    assert not list((tmp_path / 'out').iterdir())


def test_options_change_the_config(trained, command, tmp_path, capsys):
    config, checkpoint, _ = trained(amd_video)
    arguments = [clips.REAL / 'bikes.mp4', '--out', tmp_path / 'out', '--cfg-options']
    assert command(config, checkpoint, *arguments, 'model.mask_generator.teacher_ratio=0.9',
                   'model.head.normalize=None') == 0
    said = capsys.readouterr().out
    assert 'teacher' not in said and 'True patch' not in said
    assert command(config, checkpoint, *arguments, 'model.decoder.depth=3') == 2
    assert 'must fit the config exactly' in capsys.readouterr().err


def test_what_is_no_pre_training_is_refused_at_once(trained, command, tmp_path, capsys):
    config, checkpoint, _ = trained(amd_video)
    arguments = [clips.REAL / 'bikes.mp4', '--out', tmp_path / 'out']
    (tmp_path / 'last.pth').write_bytes(b'<html>')
    assert command(config, checkpoint, *arguments) == 2
    assert 'last.pth' in capsys.readouterr().err
    assert command(config, tmp_path / 'missing.pth', *arguments) == 2
    assert 'missing.pth' in capsys.readouterr().err
    assert command(tmp_path / 'missing.py', checkpoint, *arguments) == 2
    assert 'missing.py' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(config, checkpoint, *arguments, '--max-frames', 0)
    assert '--max-frames must be at least 1, got 0' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
