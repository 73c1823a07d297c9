"""The command on real and broken files, whole and interrupted."""
import os
import runpy
import signal
import sys
from pathlib import Path

import clips
import numpy as np
import pytest
import tiny_vits
import torch
from mmengine.config import Config
from PIL import Image

import amd_mm.inference
from amd_mm.inference import (
    FeatureExtractor,
    clip_of,
    read_clip,
    read_features,
    read_image,
    read_windows,
    video_frames,
)

SCRIPT = Path(__file__).parents[2] / 'tools/extract_features.py'
LOADER = dict(dataset=dict(pipeline=[dict(type='amd_mm.SampleStridedFrames', frame_interval=2)]))


@pytest.fixture
def student(tmp_path):
    """Writes config and checkpoint of a tiny pre-training; returns both."""
    def write(modality: str) -> tuple[Path, Path]:
        vit = dict(type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8, embed_dims=24,
                   depth=2, num_heads=3, num_frames=4, use_mean_pooling=False)
        if modality == 'image':
            vit = dict(type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=8, arch=dict(
                embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96))
        preprocessor = dict(type='mmengine.ImgDataPreprocessor', bgr_to_rgb=True)
        if modality == 'video':
            preprocessor = dict(type='mmaction.ActionDataPreprocessor', format_shape='NCTHW')
        preprocessor.update(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
        config, checkpoint = tmp_path / f'{modality}.py', tmp_path / f'{modality}.pth'
        Config(dict(train_dataloader=LOADER, model=dict(
            type='amd_mm.AMD', backbone=vit, data_preprocessor=preprocessor,
            teacher=dict(checkpoint='nowhere.pth')))).dump(config)
        model = tiny_vits.pretraining(modality, amd=True)
        torch.save(dict(state_dict=model.state_dict()), checkpoint)
        return config, checkpoint
    return write


@pytest.fixture
def command(monkeypatch):
    def load(*arguments) -> dict:
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments), '--device', 'cpu'])
        return runpy.run_path(str(SCRIPT))

    yield lambda *arguments: load(*arguments)['main']()
    torch.use_deterministic_algorithms(False)


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(256, size=(40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f'{number}.png')
    return folder


@pytest.mark.parametrize('ending', ['.npz', '.safetensors'])
def test_pictures_twice_and_interrupted_are_the_same_bytes(
        student, command, monkeypatch, tmp_path, capsys, ending):
    config, checkpoint = student('image')
    folder = pictures(tmp_path / 'pictures', 5)
    (folder / '1.jpg').write_text('no picture')
    (folder / '4.png').rename(folder / 'caf\udce9\n.png')
    arguments = [config, checkpoint, folder, '--batch-size', 2, '--pool', 'none', '--layer', 1]
    outs = [tmp_path / f'{name}{ending}' for name in ('first', 'second', 'resumed')]
    for out in outs[:2]:
        assert command(*arguments, '--out', out) == 2
        said = capsys.readouterr()
        assert f'{folder / "1.jpg"}: must be a picture' in said.err
        assert '1 of 6 inputs could not be read' in said.err
    assert outs[0].read_bytes() == outs[1].read_bytes()

    # Stops at its second batch, and goes on there.
    run, calls = FeatureExtractor.__call__, []

    def interrupted(self, items):
        calls.append(len(items))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(self, items)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureExtractor, '__call__', interrupted)
        assert command(*arguments, '--out', outs[2]) == 130
    assert not outs[2].exists()
    assert command(*arguments, '--out', outs[2]) == 2
    assert '2 of 6 inputs were done before' in capsys.readouterr().out
    assert outs[2].read_bytes() == outs[0].read_bytes()

    features, paths, settings = read_features(outs[0])
    assert paths == [str(folder / f'{name}.png') for name in (0, 1, 2, 3, 'caf\udce9\n')]
    assert (settings['layer'], settings['pool']) == (1, 'none')
    # A direct forward pass of the pictures, one by one.
    model = tiny_vits.pretraining('image', amd=True)
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    for path, have in zip(paths, features, strict=True):
        image = (read_image(path, (32, 32)).pixels - mean) / std
        want = tiny_vits.block_outputs(model.backbone, image[None])[0][0]
        np.testing.assert_allclose(have, want.numpy(), rtol=1e-4, atol=1e-4)


def test_clips_of_a_list_at_the_configs_interval(student, command, tmp_path, capsys):
    config, checkpoint = student('video')
    short = clips.write_video(tmp_path / 'a short.mp4', 3)
    broken = clips.write_broken_videos(tmp_path)['no_index']
    (tmp_path / 'list.txt').write_text(f'{clips.REAL / "bikes.mp4"} 0\n{broken} 1\n')
    out = tmp_path / 'clips.npz'
    arguments = [config, checkpoint, tmp_path / 'list.txt', short, '--out', out]
    assert command(*arguments, '--workers', 1) == 2
    said = capsys.readouterr()
    assert f'{broken}: must be a video' in said.err
    assert f'{short}: it has 3 frames, 4 at interval 2 span 7' in said.out
    features, paths, settings = read_features(out)
    assert paths == [str(clips.REAL / 'bikes.mp4'), str(short)] and settings['frame_interval'] == 2
    model = tiny_vits.pretraining('video', amd=True)
    shape = (1, 3, 1, 1, 1)
    for path, have in zip(paths, features, strict=True):
        clip = read_clip(path, (4, 32, 32), 2).pixels[None]
        clip = ((clip - torch.tensor([123.675, 116.28, 103.53]).view(shape))
                / torch.tensor([58.395, 57.12, 57.375]).view(shape))
        want = tiny_vits.block_outputs(model.backbone, clip)[-1].mean(1)[0]
        np.testing.assert_allclose(have, want.numpy(), rtol=1e-4, atol=1e-4)

    # What is there is not replaced by accident, nor mixed with other settings.
    assert command(*arguments) == 2
    assert 'clips.npz: must not exist' in capsys.readouterr().err
    assert command(*arguments, '--force', '--layer', 1) == 2
    assert read_features(out)[2]['layer'] == 1


@pytest.mark.parametrize('workers', [0, 1])
def test_a_file_that_crashes_its_reader_costs_itself(student, command, tmp_path, capsys,
                                                     monkeypatch, workers):
    config, checkpoint = student('image')
    folder = pictures(tmp_path / 'pictures', 3)
    arguments = (config, checkpoint, folder, '--batch-size', 2, '--workers', workers, '--out')
    assert command(*arguments, tmp_path / 'whole.npz') == 0
    read = amd_mm.inference.read_image

    def crashing(path: Path, *rest):
        if path.name == '1.png':
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # no dump of the test runner
            os.kill(os.getpid(), signal.SIGSEGV)
        return read(path, *rest)

    monkeypatch.setattr(amd_mm.inference, 'read_image', crashing)
    assert command(*arguments, tmp_path / 'rest.npz') == 2
    said = capsys.readouterr().err
    assert '1.png: must be a file that can be read, but: crashed its process (SIGSEGV)' in said
    assert 'error: 1 of 3 inputs could not be read.' in said
    whole, _, _ = read_features(tmp_path / 'whole.npz')
    rest, paths, _ = read_features(tmp_path / 'rest.npz')
    assert [Path(path).name for path in paths] == ['0.png', '2.png']
    np.testing.assert_allclose(rest, whole[[0, 2]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('ending', ['.npz', '.safetensors'])
def test_windows_are_clips_with_times(student, command, monkeypatch, tmp_path, capsys, ending):
    config, checkpoint = student('video')
    files = [clips.REAL / 'bikes.mp4', clips.write_broken_videos(tmp_path)['no_index'],
             clips.write_video(tmp_path / 'short.mp4', 3)]
    outs = [tmp_path / f'{name}{ending}' for name in ('whole', 'resumed')]
    line = [config, checkpoint, *files, '--sliding', '--stride', 2, '--batch-size', 2]
    assert command(*line, '--out', outs[0]) == 2
    said = capsys.readouterr()
    assert f'{files[1]}: must be a video' in said.err
    assert f'{files[2]}: it has 3 frames, a window 8: frames are repeated' in said.out
    found = read_windows(outs[0])
    assert found.paths == [str(files[0]), str(files[2])] and found.settings['stride'] == 2
    assert found.files.tolist() == [0] * 6 + [1]
    assert found.times[:3] == pytest.approx(np.array([[0, .32], [2, 2.32], [4, 4.32]]))
    frames = [frame.picture for frame in video_frames(files[0]).frames]
    extractor = FeatureExtractor(Config.fromfile(config), checkpoint)
    for number in (0, 1):
        clip = clip_of(frames[50 * number:50 * number + 8], (4, 32, 32), 2)
        np.testing.assert_allclose(
            found.features[number], extractor([clip])[0], rtol=1e-4, atol=1e-5)

    run, calls = FeatureExtractor.__call__, []

    def interrupted(self, items):
        calls.append(len(items))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(self, items)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureExtractor, '__call__', interrupted)
        assert command(*line, '--out', outs[1]) == 130
    assert not outs[1].exists()
    assert command(*line, '--out', outs[1]) == 2
    assert outs[1].read_bytes() == outs[0].read_bytes()
    assert not list(tmp_path.glob('*.partial'))


def test_nothing_is_written_where_nothing_can_be_read(student, command, tmp_path, capsys):
    config, checkpoint = student('video')
    out = tmp_path / 'none.npz'
    assert command(config, checkpoint, tmp_path / 'missing.mp4', '--out', out) == 2
    assert '1 of 1 inputs could not be read' in capsys.readouterr().err
    assert not list(tmp_path.glob('none.npz*'))
    assert command(config, tmp_path / 'no.pth', clips.REAL / 'bikes.mp4', '--out', out) == 2
    assert 'no.pth' in capsys.readouterr().err
    assert command(config, checkpoint, tmp_path / 'missing.mp4', '--sliding', '--out', out) == 2
    assert not list(tmp_path.glob('none.npz*'))
    with pytest.raises(SystemExit):
        command(config, checkpoint, 'x.mp4', '--out', out, '--batch-size', 0)
    assert '--batch-size must be at least 1, got 0' in capsys.readouterr().err
