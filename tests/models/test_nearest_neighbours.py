import os
import signal

import pytest
import tiny_vits
import torch
import torch.nn.functional as F
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample
from torch import Tensor

from amd_mm.models.nearest_neighbours import NearestNeighbours
from amd_mm.registry import MODELS

IMAGES = dict(type='amd_mm.ImageVisionTransformer', img_size=32, patch_size=8, arch=dict(
    embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96))
CLIPS = dict(type='amd_mm.VideoVisionTransformer', img_size=32, patch_size=8, embed_dims=24,
             depth=2, num_heads=3, num_frames=4)


class Samples(torch.utils.data.Dataset):
    """Noise with labels, as the hosts pack it."""

    def __init__(self, inputs: Tensor, labels: list) -> None:
        self.inputs, self.labels = inputs, labels
        self.kind = DataSample if inputs.ndim == 4 else ActionDataSample

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        sample = self.kind()
        if self.labels[index] is not None:
            sample.set_gt_label(self.labels[index])
        return dict(inputs=self.inputs[index], data_samples=sample)


def build(inputs: Tensor, labels: list, encoder: dict | None = None,
          **settings) -> NearestNeighbours:
    clips = inputs.ndim == 6
    gallery = dict(dataset=Samples(inputs, labels), batch_size=3, num_workers=0,
                   sampler=dict(type='DefaultSampler', shuffle=False))
    preprocessor = dict(type='mmaction.ActionDataPreprocessor', format_shape='NCTHW') if clips \
        else dict(type='mmpretrain.ClsDataPreprocessor')
    model = MODELS.build(dict(
        type='amd_mm.NearestNeighbours', gallery=gallery,
        backbone={**(CLIPS if clips else IMAGES), **(encoder or {})},
        data_preprocessor=preprocessor, **settings))
    return tiny_vits.randomise(model)


def predict(model: NearestNeighbours, inputs: Tensor) -> Tensor:
    data = pseudo_collate([Samples(inputs, [0] * len(inputs))[i] for i in range(len(inputs))])
    return torch.stack([sample.pred_score for sample in model.test_step(data)])


def test_votes_are_weighted_by_similarity() -> None:
    torch.manual_seed(0)
    gallery, labels, queries = torch.randn(7, 3, 32, 32), [0, 2, 1, 2, 0, 2, 1], torch.randn(
        4, 3, 32, 32)
    model = build(gallery, labels, k=3, temperature=.2)
    scores = predict(model, queries)
    with torch.no_grad():
        ours, theirs = (F.normalize(model.backbone(x)[0], dim=1) for x in (queries, gallery))
    for query, score in zip(ours, scores, strict=True):
        similar = sorted(((float(query @ other), label)
                          for other, label in zip(theirs, labels, strict=True)), reverse=True)[:3]
        votes = torch.zeros(3)
        for similarity, label in similar:
            votes[label] += torch.tensor(similarity / .2).exp()
        torch.testing.assert_close(score, votes / votes.sum(), rtol=1e-4, atol=1e-5)


def test_views_of_clips_are_averaged() -> None:
    clips = torch.randn(4, 2, 3, 4, 32, 32)
    model = build(clips, [0, 1, 2, 3], k=1)
    assert predict(model, clips).argmax(1).tolist() == [0, 1, 2, 3]
    with torch.no_grad():
        features = model.backbone(clips.flatten(0, 1)).reshape(4, 2, -1).mean(1)
    torch.testing.assert_close(model(clips), F.normalize(features, dim=1))


def test_maps_of_features_are_averaged_as_a_student_leaves_them() -> None:
    student = tiny_vits.pretraining('video').backbone
    clips = torch.randn(2, 1, 3, 4, 32, 32)
    model = build(clips, [0, 1], dict(use_mean_pooling=False, return_feat_map=True))
    model.backbone.load_state_dict(student.state_dict())
    with torch.no_grad():
        latent, _ = student.encode(clips[:, 0], torch.arange(32).expand(2, -1))
    torch.testing.assert_close(model(clips), F.normalize(latent.mean(1), dim=1), atol=1e-5,
                               rtol=1e-5)


def test_every_evaluation_makes_its_gallery_and_k_may_exceed_it() -> None:
    images = torch.randn(3, 3, 32, 32)
    model = build(images, [0, 1, 1], k=50)
    before = predict(model, images)
    tiny_vits.randomise(model.backbone, seed=5)
    model.eval()
    assert not torch.allclose(predict(model, images), before)


@pytest.mark.parametrize(('settings', 'words'), [
    (dict(k=0), 'at least 1, got 0'), (dict(temperature=0.), 'above 0, got 0')])
def test_numbers_out_of_range(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(torch.randn(1, 3, 32, 32), [0], **settings)


def test_a_gallery_needs_labels_and_nothing_is_trained() -> None:
    images = torch.randn(2, 3, 32, 32)
    model = build(images, [None, None])
    with pytest.raises(ValueError, match='must have one label, got None'):
        predict(model, images)
    with pytest.raises(ValueError, match='nothing to train'):
        model(images, mode='loss')


def test_processes_share_the_work_on_the_gallery(monkeypatch) -> None:
    """Two processes, one after the other: each encodes its part, both get the whole, in order."""
    images, labels = torch.randn(5, 3, 32, 32), [3, 1, 4, 1, 5]
    alone = build(images, labels)
    alone._make_gallery()

    parts: dict[int, list[Tensor]] = {}
    module = 'amd_mm.models.nearest_neighbours.all_gather'
    for rank in (0, 1):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        parts[rank] = []
        monkeypatch.setattr(module, lambda part, rank=rank: parts[rank].append(part) or [part])
        build(images, labels)._make_gallery()
    assert [len(part) for part in parts[0]] == [3, 3, 3]
    both = iter(zip(parts[0], parts[1], strict=True))
    monkeypatch.setattr(module, lambda part: list(next(both)))
    shared = build(images, labels)
    shared._make_gallery()
    assert shared._labels.tolist() == labels
    torch.testing.assert_close(shared._features, alone._features)


class CrashingSamples(Samples):
    """Sample 1 crashes the worker that loads it."""

    def __getitem__(self, index: int) -> dict:
        if index == 1:
            signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # no dump of the test runner
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__getitem__(index)


def test_a_sample_that_crashes_its_worker_is_left_out_of_the_gallery() -> None:
    images, labels = torch.randn(5, 3, 32, 32), [3, 1, 4, 1, 5]
    rest = [0, 2, 3, 4]
    expected = build(images[rest], [labels[place] for place in rest])
    expected._make_gallery()
    found = build(images, labels)
    found.gallery.update(dataset=CrashingSamples(images, labels), num_workers=1)
    found._make_gallery()
    assert found._labels.tolist() == expected._labels.tolist()
    torch.testing.assert_close(found._features, expected._features)
