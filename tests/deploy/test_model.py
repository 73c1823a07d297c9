"""Names and scores of pixels, whatever they come as, from several threads."""
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from clips import REAL
from exports import CLASSES, tuned_checkpoint
from tuned import OWN_VIDEOS

from amd_mm.deploy import Form, Model, Trial, Wish, export, open_model, read_subject
from amd_mm.deploy.model import middle_frames
from amd_mm.inference import Classifier, video_frames


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    checkpoint, config, _ = tuned_checkpoint(OWN_VIDEOS, folder)
    subject = read_subject(checkpoint, Wish())
    for target in ('onnx', 'openvino', 'pt2'):
        export(subject, Form(target), Trial([REAL / 'carphone_pristine.mp4']), folder / target)
    return folder, Classifier(config, checkpoint)


@pytest.fixture(scope='module')
def video() -> np.ndarray:
    return np.stack([frame.picture for frame in video_frames(
        REAL / 'carphone_pristine.mp4').frames])


def test_numpy_torch_and_a_checkpoint_say_what_the_host_says(exported, video):
    folder, host = exported
    model = open_model(folder / 'onnx')
    view = host.window_scores(list(video[52:68]))
    found = dict(model(video))
    # OpenCV's resizing is not the host's to the last bit.
    for label, name in enumerate(CLASSES):
        assert found[name] == pytest.approx(float(view[label]), abs=5e-3)
    assert model(torch.tensor(video)) == model(video)
    assert [name for name, _ in model(video, top=2)] == [
        CLASSES[label] for label in view.argsort(descending=True)[:2]]
    for name, score in open_model(folder / 'last.pth')(video):
        assert score == pytest.approx(found[name], abs=1e-5)


@pytest.mark.parametrize('target', ['onnx', 'openvino', 'pt2'])
def test_threads_and_neighbours_change_no_bit(exported, video, target):
    model = open_model(exported[0] / target, threads=1)
    clips = [video[start:start + 20] for start in range(0, 80, 5)]
    alone = [model.scores(clip) for clip in clips]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            np.testing.assert_array_equal(list(pool.map(model.scores, clips)), alone)
    assert np.ptp(alone, axis=0).max() > 1e-3


@pytest.mark.parametrize(('total', 'frames', 'stride', 'chosen'), [
    (32, 4, 4, [8, 12, 16, 20]), (16, 4, 4, [0, 4, 8, 12]), (5, 4, 2, [0, 2, 4, 4]),
    (1, 3, 4, [0, 0, 0]), (4, 4, 4, [0, 1, 2, 3]), (10, 5, None, [1, 3, 5, 7, 9]),
    (2, 4, None, [0, 0, 1, 1])])
def test_frames_of_the_middle(total, frames, stride, chosen):
    assert middle_frames(total, frames, stride) == chosen


def test_a_clip_that_is_too_short_is_said(exported, video):
    model = open_model(exported[0] / 'onnx')
    with pytest.warns(UserWarning, match=r'a clip is 4 frames at a stride of 4, got 6 frames: the '
                      'last is repeated'):
        found = model.scores(video[:6])
    np.testing.assert_array_equal(found, model.scores(video[[0, 4, 5, 5]]))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model.scores(video[:13])


def identity(short: int | None, size: tuple[int, int]) -> Model:
    """A model of pictures that gives its pixels back."""
    return Model(lambda feeds: feeds['pixels'], dict(
        kind='encoder', inputs=[dict(axes=['batch', 'rows', 'columns', 'channels'], dtype='uint8',
                                     shape=[1, *size, 3])],
        preprocess=dict(short_side=short, interpolation='bilinear', antialias=False),
        output=dict(means='pixels')))


def test_pictures_are_resized_by_their_short_side_and_cut_in_the_middle():
    columns = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None] * 4, (20, 40, 3))
    np.testing.assert_array_equal(identity(20, (20, 10)).scores(columns), columns[:, 15:25])
    halved = identity(10, (10, 10)).scores(columns)
    np.testing.assert_array_equal(halved[0, :, 0], np.arange(5, 15) * 8 + 2)
    np.testing.assert_array_equal(identity(None, (8, 8)).scores(columns), columns[6:14, 16:24])
    with pytest.raises(ValueError, match='must be at least 50 x 8, got 20 x 40'):
        identity(None, (50, 8)).scores(columns)


@pytest.mark.parametrize('pixels', [
    np.zeros((8, 8, 3), np.float32), np.zeros((2, 8, 8, 3), np.uint8),
    np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8)])
def test_other_pixels_are_refused(pixels):
    with pytest.raises(ValueError, match=r'must be \(rows, columns, 3\) of uint8 in RGB, got'):
        identity(None, (8, 8)).scores(pixels)
