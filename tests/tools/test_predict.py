"""The command on real and broken files, with a fine-tuning recipe made small."""
import json
import runpy
import sys
from pathlib import Path

import clips
import detectors
import nuclei
import numpy as np
import pytest
import torch
from PIL import Image
from transfer import make_pictures
from tuned import OWN_IMAGES, OWN_VIDEOS, fine_tuned

from amd_mm.datasets.files import printable
from amd_mm.inference import Classifier, Detector, Segmentor, video_frames

SCRIPT = Path(__file__).parents[2] / 'tools/predict.py'
CLASSES = ('walking the dog', 'cutting wood', 'juggling', 'sleeping', 'tying a knot', 'waving')


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """Writes config and checkpoint; returns both and the classifier they make."""
    # Pretty configs take longer than anything here.
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))

    def write(name: str) -> tuple[Path, Path, Classifier]:
        config, _ = fine_tuned(name, tmp_path, CLASSES)
        config.dump(tmp_path / 'config.py')
        files = tmp_path / 'config.py', tmp_path / 'last.pth'
        return *files, Classifier(config, files[1])
    return write


@pytest.fixture
def command(monkeypatch):
    def run(*arguments) -> int:
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments), '--device', 'cpu'])
        return runpy.run_path(str(SCRIPT))['main']()
    return run


def as_json(classifier: Classifier, scores: torch.Tensor, count: int = 5) -> list[dict]:
    order = scores.argsort(descending=True).tolist()[:count]
    return [dict(label=label, name=CLASSES[label], score=pytest.approx(float(scores[label])))
            for label in order]


def test_top_5_of_pictures(tuned, command, tmp_path, capsys):
    config, checkpoint, classifier = tuned(OWN_IMAGES)
    root = make_pictures(tmp_path / 'data') / 'val'
    broken = tmp_path / 'broken\udce9\n.png'
    broken.write_text('no picture')
    next(root.rglob('0.png')).rename(root / 'caf\udce9.png')
    said = tmp_path / 'said.json'
    assert command(config, checkpoint, broken, root, '--json', said, '--out', tmp_path / 'out') == 2
    output = capsys.readouterr()
    assert (rf'{tmp_path}/broken\xe9\n.png: must be a picture, but is no picture of a kind that '
            'can be read') in output.err
    assert '1 of 5 inputs could not be read' in output.err
    files = sorted(root.rglob('*.png'))
    scores = [classifier.scores(path) for path in files]
    assert json.loads(said.read_text()) == [
        dict(input=printable(path), predictions=as_json(classifier, score))
        for path, score in zip(files, scores, strict=True)]
    best = int(scores[0].argmax())
    assert f'{printable(files[0])}\n  {scores[0][best]:.3f}  {CLASSES[best]}\n' in output.out
    # Files of the same name in several folders.
    names = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert names == ['0.png', '1-2.png', '1.png', r'caf\xe9.png']


def test_videos_as_a_whole(tuned, command, tmp_path, capsys):
    config, checkpoint, classifier = tuned(OWN_VIDEOS)
    path, said = clips.REAL / 'carphone_pristine.mp4', tmp_path / 'said.json'
    assert command(config, checkpoint, path, '--json', said, '--out', tmp_path / 'out',
                   '--top-k', 2) == 0
    found, = json.loads(said.read_text())
    assert found['predictions'] == as_json(classifier, classifier.scores(path), 2)
    original, drawn = video_frames(path), video_frames(tmp_path / 'out' / path.name)
    assert drawn.fps == pytest.approx(original.fps, rel=1e-3)
    pairs = list(zip(original.frames, drawn.frames, strict=True))
    assert len(pairs) == 120
    for before, after in pairs[::40]:
        changed = np.abs(before.picture.astype(int) - after.picture).mean(2)
        # The upper left corner is darker, the lower half differs by compression only.
        assert changed[:20, :40].mean() > 3 * changed[72:].mean()


def test_windows_slide_over_long_videos(tuned, command, tmp_path, capsys):
    """Windows in a batch get what the classifier gives one alone, on the same frames."""
    config, checkpoint, classifier = tuned(OWN_VIDEOS)
    path, out = clips.REAL / 'bikes.mp4', tmp_path / 'out'
    broken = clips.write_broken_videos(tmp_path)['no_index']
    line = (config, checkpoint, path, broken, '--sliding', '--stride', 1.5, '--out', out,
            '--write', 'jsonl', 'srt', '--batch-size', 3)
    assert command(*line) == 2
    said = capsys.readouterr()
    assert f'{broken}: must be a video' in said.err
    assert '1 of 2 inputs could not be read' in said.err
    assert (out / 'failed.txt').read_text().startswith(f'{broken}: must be a video')
    fps, frames = video_frames(path)
    frames = list(frames)
    windows = [json.loads(line) for line in (out / 'predictions.jsonl').open()]
    length, stride = 16, round(1.5 * fps)
    starts = [*range(0, len(frames) - length, stride), len(frames) - length]
    assert [window['start'] for window in windows] == [
        pytest.approx(frames[start].time, abs=1e-5) for start in starts]
    for start, window in zip(starts, windows, strict=True):
        pictures = [frame.picture for frame in frames[start:start + length]]
        assert window['predictions'] == as_json(classifier, classifier.window_scores(pictures))
    best = windows[0]['predictions'][0]
    assert (out / 'bikes.srt').read_text().splitlines()[2].startswith(best['name'])
    assert command(*line) == 2
    assert 'predictions.jsonl: must not exist, but it does; add --force' in capsys.readouterr().err
    assert command(config, checkpoint, path, '--sliding', '--window', 2, '--stride', 1) == 0
    assert '1.00 - 3.00 s' in capsys.readouterr().out


def test_cameras_that_are_none_are_refused(tuned, command, tmp_path, capsys):
    config, checkpoint, _ = tuned(OWN_VIDEOS)
    for source, message in (
            (clips.write_video(tmp_path / 'film.mp4', 4), 'this is a file; name it as an input'),
            (tmp_path / 'none', 'must be a camera or stream that OpenCV opens')):
        assert command(config, checkpoint, '--camera', source, '--out', tmp_path / 'out') == 2
        assert message in capsys.readouterr().err


def test_masks_of_a_segmentation_config(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
    root = nuclei.make_own(tmp_path / 'own')
    cfg, _ = nuclei.segmented(tmp_path, root)
    cfg.dump(tmp_path / 'config.py')
    files = tmp_path / 'config.py', tmp_path / 'last.pth'
    said, out = tmp_path / 'said.json', tmp_path / 'out'
    assert command(*files, root / 'val/pictures', '--json', said, '--out', out) == 0
    segmentor = Segmentor(cfg, files[1])
    paths = sorted((root / 'val/pictures').rglob('*.png'))
    maps = [segmentor.labels(path) for path in paths]
    assert json.loads(said.read_text()) == [
        dict(input=str(path), classes=[share._asdict() for share in segmentor.shares(labels)])
        for path, labels in zip(paths, maps, strict=True)]
    for path, labels in zip(paths, maps, strict=True):
        assert (np.asarray(Image.open(out / f'{path.stem}.labels.png')) == labels).all()
        assert Image.open(out / path.name).size == (nuclei.SIDE, nuclei.SIDE)
    assert command(*files, root, '--sliding') == 2
    assert 'need a config of videos' in capsys.readouterr().err


def test_objects_of_a_detection_config(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
    root = detectors.make_set(tmp_path / 'set')
    cfg, _ = detectors.detecting(tmp_path, root)
    cfg.dump(tmp_path / 'config.py')
    files = tmp_path / 'config.py', tmp_path / 'last.pth'
    said, out = tmp_path / 'said.json', tmp_path / 'out'
    assert command(*files, root / 'val', '--json', said, '--out', out, '--min-score', .1,
                   '--top-k', 1) == 0
    paths = sorted((root / 'val').glob('*.png'))
    found = [Detector(cfg, files[1]).detections(path, .1) for path in paths]
    assert json.loads(said.read_text()) == [
        dict(input=str(path), objects=[
            dict(label=one.label, name=one.name, score=one.score, box=list(one.box))
            for one in objects]) for path, objects in zip(paths, found, strict=True)]
    assert f'and {len(found[0]) - 1} more' in capsys.readouterr().out
    for path in paths:
        assert (out / f'{path.stem}.instances.png').is_file() and (out / path.name).is_file()
    with pytest.raises(SystemExit):
        command(*files, root, '--min-score', 2)
    assert '--min-score must be in [0, 1], got 2' in capsys.readouterr().err
    assert command(*files, root, '--sliding') == 2
    assert 'need a config of videos' in capsys.readouterr().err


def test_bad_wishes_are_refused(tuned, command, tmp_path, capsys):
    config, checkpoint, _ = tuned(OWN_IMAGES)
    assert command(config, checkpoint, 'x.png', '--sliding') == 2
    assert 'need a config of videos' in capsys.readouterr().err
    assert command(config, tmp_path / 'no.pth', 'x.png') == 2
    assert 'no.pth' in capsys.readouterr().err
    for arguments in ([], ['x.png', '--camera', '0'], ['x.png', '--top-k', '0']):
        with pytest.raises(SystemExit):
            command(config, checkpoint, *arguments)
    assert '--top-k must be above 0, got 0' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(config, checkpoint, 'x.mp4', '--sliding', '--json', tmp_path / 'said.json')
    assert '--json is of whole inputs' in capsys.readouterr().err
