"""Classification by the nearest neighbours, a measure of features without any training."""
import logging
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

from amd_mm.datasets.evaluated import EvaluationLoader
from amd_mm.datasets.files import printable
from amd_mm.registry import MODELS
from amd_mm.values import CONFIG, MAPPING, instance, number, optional, takes, whole


@MODELS.register_module()
class NearestNeighbours(BaseModel):
    """A frozen encoder and a gallery of labelled features that vote (arXiv 1805.01978).

    The score of a class is the sum of exp(cosine similarity / temperature) over those of the
    ``k`` most similar gallery samples that belong to it. Data sets, data samples and metrics
    are the hosts', of images and clips alike; the views of a clip are averaged. The gallery is
    made at the first prediction of every evaluation, each process making a part; a sample that
    cannot be loaded is left out of it, with a warning.

    Test it with the checkpoint of a student as it is: ``amd-mm test CONFIG STUDENT.pth``.

    Args:
        backbone: The encoder; its output is the feature, averaged over all places where it is a
            map. For clips take ``use_mean_pooling=False, return_feat_map=True``: the norm of
            ``use_mean_pooling=True`` belongs to fine-tuning, a student has none.
        gallery: Dataloader config of labelled samples, in order (``shuffle=False``), without
            augmentation.
        k: Neighbours that vote, at least 1; all of them, where the gallery holds fewer.
        temperature: Above 0; the lower, the more the nearest count.
        data_preprocessor: The host's.

    Raises:
        ValueError: For a number out of range, or to train it.
    """

    @takes(
        backbone=CONFIG,
        gallery=MAPPING,
        k=whole(1),
        temperature=number(above=0),
        data_preprocessor=optional(instance((dict, nn.Module), 'a dict or a module')))
    def __init__(self,
                 backbone: dict,
                 gallery: dict,
                 k: int = 20,
                 temperature: float = 0.07,
                 data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor)
        self.backbone = MODELS.build(backbone)
        self.gallery = gallery
        self.k = k
        self.temperature = temperature
        self._features: Tensor | None = None
        self._labels: Tensor | None = None

    def train(self, mode: bool = True) -> 'NearestNeighbours':
        """Forget the gallery: an evaluation begins with ``eval()``, perhaps on other weights."""
        self._features = self._labels = None
        return super().train(mode)

    def forward(self, inputs: Tensor, data_samples: list | None = None,
                mode: str = 'tensor') -> Tensor | list:
        """Extract features or classify.

        Args:
            inputs: (B, C, H, W) images or (B, views, C, T, H, W) clips, normalised.
            data_samples: The hosts' data samples.
            mode: ``'tensor'`` or ``'predict'``.

        Returns:
            (B, D) features of length 1, or the data samples with scores and labels.
        """
        if mode == 'loss':
            raise ValueError(
                'NearestNeighbours has nothing to train; run amd-mm test CONFIG STUDENT.pth')
        features = self._extract(inputs)
        if mode == 'tensor':
            return features
        assert data_samples is not None
        scores = self._vote(features)
        for sample, score in zip(data_samples, scores, strict=True):
            sample.set_pred_score(score).set_pred_label(score.argmax())
        return data_samples

    @torch.no_grad()
    def _extract(self, inputs: Tensor) -> Tensor:
        views = inputs.shape[1] if inputs.ndim == 6 else 1
        features = self.backbone(inputs.flatten(0, 1) if inputs.ndim == 6 else inputs)
        features = features[-1] if isinstance(features, tuple) else features
        if features.ndim > 2:
            features = features.flatten(2).mean(2)
        return F.normalize(features.float().unflatten(0, (-1, views)).mean(1), dim=1)

    def _vote(self, features: Tensor) -> Tensor:
        """(B, D) to (B, classes), summing to 1."""
        if self._features is None:
            self._make_gallery()
        assert self._features is not None and self._labels is not None
        similarities = features @ self._features.T
        nearest, ids = similarities.topk(min(self.k, len(self._features)), dim=1)
        # Relative to the nearest, so that a low temperature does not overflow.
        weights = ((nearest - nearest[:, :1]) / self.temperature).exp()
        scores = weights.new_zeros(len(features), int(self._labels.max()) + 1)
        scores.scatter_add_(1, self._labels[ids], weights)
        return scores / scores.sum(1, keepdim=True)

    def _make_gallery(self) -> None:
        loader = EvaluationLoader(Runner.build_dataloader(self.gallery))
        samples: Any = loader.dataset
        features, labels, bad = [], [], []
        for part in loader:
            data = self.data_preprocessor(part.batch, False)
            features.append(self._extract(data['inputs']))
            labels += [self._label(sample) for sample in data['data_samples']]
            bad += [place in part.bad for place in range(len(features[-1]))]
            for sample in part.bad.values():
                print_log(f'Bad sample, left out of the gallery: {printable(sample.path)} '
                          f'({printable(sample.reason)}).', 'current', logging.WARNING)
        device = features[0].device
        parts = (torch.cat(features), torch.tensor(labels, device=device),
                 torch.tensor(bad, device=device))
        # The sampler deals samples out in turn, and some twice to come out even.
        all_features, all_labels, all_bad = (
            torch.stack(all_gather(part), 1).flatten(0, 1)[:len(samples)]
            for part in parts)
        self._features, self._labels = all_features[~all_bad], all_labels[~all_bad]

    @staticmethod
    def _label(sample: Any) -> int:
        label = sample.get('gt_label')
        if label is None or len(label) != 1 or int(label) < 0:
            raise ValueError(
                f'every gallery sample of NearestNeighbours must have one label, got {label}; '
                'give the data set a list with labels')
        return int(label)
