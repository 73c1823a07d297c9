"""Predictions of the transfer recipes made small, against the model's own scores."""
import clips
import cv2
import decord
import numpy as np
import pytest
import tiny_vits
import torch
from PIL import Image
from transfer import make_pictures, small
from tuned import OWN_IMAGES, OWN_VIDEOS, fine_tuned

from amd_mm.inference import Classifier

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])


def test_a_picture_gets_the_models_scores(tmp_path):
    classes = ('first', 'second', 'third')
    config, model = fine_tuned(OWN_IMAGES, tmp_path, classes)
    path = make_pictures(tmp_path / 'data') / 'val/first/0.png'
    classifier = Classifier(config, tmp_path / 'last.pth')
    scores = classifier.scores(path)

    # Resized to a short side of 40, bicubically; the centre of 32 x 32; RGB.
    with Image.open(path) as picture:
        assert picture.size == (48, 40)
        pixels = np.asarray(picture)[4:36, 8:40]
    image = (torch.tensor(pixels.copy()).float() - MEAN) / STD
    with torch.no_grad():
        logits = model.head(model.extract_feat(image.permute(2, 0, 1)[None]))
    torch.testing.assert_close(scores, logits.softmax(1)[0], rtol=1e-4, atol=1e-5)

    top = classifier.top(scores, 2)
    order = scores.argsort(descending=True).tolist()
    assert [found.label for found in top] == order[:2]
    assert [found.name for found in top] == [classes[label] for label in order[:2]]
    assert [found.score for found in top] == scores[order[:2]].tolist()
    assert len(classifier.top(scores)) == 3


def video_scores(model, frames: np.ndarray) -> torch.Tensor:
    """Of (views, T, 32, 32, 3) uint8 RGB: the views' mean."""
    views = (torch.tensor(frames).float() - MEAN) / STD
    with torch.no_grad():
        features = model.backbone(views.permute(0, 4, 1, 2, 3))
        return model.cls_head(features).softmax(1).mean(0)


def test_a_video_gets_all_views_and_a_window_one(tmp_path):
    classes = ('a', 'b', 'c', 'd')
    config, model = fine_tuned(OWN_VIDEOS, tmp_path, classes)
    classifier = Classifier(config, tmp_path / 'last.pth')
    assert classifier.window_length(25.) == 16
    # Grey frames of 64 x 48 stay grey however they are resized; frame n has level 4 n.
    path = clips.write_video(tmp_path / 'numbers.mp4', 32)
    decoded = decord.VideoReader(str(path)).get_batch(range(32)).asnumpy()
    levels = decoded.mean((1, 2, 3)).round().astype(np.uint8)

    def clips_from(*starts: int) -> np.ndarray:
        return np.stack([np.broadcast_to(levels[start + np.arange(4) * 4, None, None, None],
                                         (4, 32, 32, 3)) for start in starts])

    # Of 4 frames at interval 4: five clips of the 8 frames 0, 4, 8 ...
    torch.testing.assert_close(
        classifier.scores(path), video_scores(model, clips_from(0, 4, 8, 12, 16)),
        rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        classifier.window_scores(list(decoded[8:24])), video_scores(model, clips_from(8)),
        rtol=1e-3, atol=1e-4)


def test_a_window_of_real_frames_is_a_one_view_test(tmp_path):
    config, _ = fine_tuned(OWN_VIDEOS, tmp_path, ('a', 'b', 'c'))
    classifier = Classifier(config, tmp_path / 'last.pth')
    capture = cv2.VideoCapture(str(clips.REAL / 'carphone_pristine.mp4'))
    frames = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(16)]
    # The same by the config's own steps for validation: one clip, the centre.
    writer = cv2.VideoWriter(str(tmp_path / 'lossless.avi'), cv2.VideoWriter_fourcc(*'FFV1'), 25,
                             frames[0].shape[1::-1])
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    config.test_dataloader.dataset.pipeline = config.val_dataloader.dataset.pipeline
    one_view = Classifier(config, tmp_path / 'last.pth')
    torch.testing.assert_close(classifier.window_scores(frames),
                               one_view.scores(tmp_path / 'lossless.avi'), rtol=.02, atol=2e-3)


@pytest.mark.slow
def test_class_names_come_from_file_checkpoint_or_data_set(tmp_path):
    config, _ = fine_tuned(OWN_VIDEOS, tmp_path, ('a', 'b'))
    path = tmp_path / 'last.pth'
    assert Classifier(config, path).classes == ('a', 'b')
    (tmp_path / 'names.txt').write_text('one\ntwo\n')
    assert Classifier(config, path, tmp_path / 'names.txt').classes == ('one', 'two')
    saved = torch.load(path)
    torch.save(dict(state_dict=saved['state_dict']), path)
    with pytest.raises(ValueError, match='number of classes from the data.*give --classes FILE'):
        Classifier(config, path)
    config.test_dataloader.dataset.metainfo.classes = str(tmp_path / 'names.txt')
    assert Classifier(config, path).classes == ('one', 'two')
    (tmp_path / 'names.txt').write_text('one\ntwo\nthree\n')
    config.model.cls_head.num_classes = 2
    with pytest.raises(ValueError, match='as many as the classes of the model, got 3 and 2'):
        Classifier(config, path)
    config.test_dataloader.dataset.metainfo.classes = str(tmp_path / 'nowhere.txt')
    assert Classifier(config, path).classes is None


def test_the_hosts_names_of_a_published_data_set(tmp_path):
    name = 'vit-small-p16_amd-pre_b1024-coslr-100e_in1k'
    config, _ = fine_tuned(name, tmp_path, tuple('x' * 1000))
    saved = torch.load(tmp_path / 'last.pth')
    torch.save(dict(state_dict=saved['state_dict']), tmp_path / 'last.pth')
    classes = Classifier(config, tmp_path / 'last.pth').classes
    assert len(classes) == 1000 and classes[0].startswith('tench')


def test_what_was_never_fine_tuned_is_refused(tmp_path):
    config, _ = fine_tuned(OWN_VIDEOS, tmp_path, ('a', 'b'))
    state = tiny_vits.pretraining('video').state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'student.pth')
    (tmp_path / 'names.txt').write_text('one\ntwo\n')
    with pytest.raises(ValueError, match='student.pth: must fit the model exactly, but not '
                                         'in the checkpoint.*cls_head.*has to be fine-tuned first'):
        Classifier(config, tmp_path / 'student.pth', tmp_path / 'names.txt')
    knn = small('vit-small-p16_knn_in1k', tmp_path, None)
    with pytest.raises(ValueError, match='a fine-tuned classifier.*got amd_mm.NearestNeighbours'):
        Classifier(knn, tmp_path / 'student.pth')


def test_unreadable_files_are_named(tmp_path):
    config, _ = fine_tuned(OWN_IMAGES, tmp_path, ('a', 'b'))
    (tmp_path / 'text.png').write_text('no picture')
    pictures = Classifier(config, tmp_path / 'last.pth')
    for name in ('text.png', 'missing.png'):
        with pytest.raises(ValueError, match=f'{name}: must be a picture'):
            pictures.scores(tmp_path / name)
    config, _ = fine_tuned(OWN_VIDEOS, tmp_path, ('a', 'b'))
    videos = Classifier(config, tmp_path / 'last.pth')
    for path in (clips.write_broken_videos(tmp_path)['empty'], tmp_path / 'missing.mp4'):
        with pytest.raises(ValueError, match=f'{path.name}: must be a video'):
            videos.scores(path)
