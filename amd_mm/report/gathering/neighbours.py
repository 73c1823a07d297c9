"""How well neighbours tell the classes of a labelled folder, while an encoder trains."""
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from amd_mm.datasets.files import PICTURES, VIDEOS, class_folders, printable
from amd_mm.datasets.keyed_dataset import TIME_LIMIT
from amd_mm.datasets.loading_process import LoadingProcess, ProcessLost
from amd_mm.inference import Input, batch_of, evaluating, read_clip, read_image
from amd_mm.models.algorithms import MaskedPretraining
from amd_mm.tokens import split_prefix

BATCH = 16
# As amd_mm.NearestNeighbours.
K, TEMPERATURE = 20, .07


class LabelledFolder:
    """Pictures or videos in a folder a class.

    Args:
        folder: Holds the classes.
        is_video: Which of the two.
        most: Files that are read, of each class as many.
        frame_interval: Of clips.

    Raises:
        ValueError: If there are not two classes of two files.
    """

    def __init__(self, folder: str | Path, is_video: bool, most: int,
                 frame_interval: int) -> None:
        found = class_folders(folder, VIDEOS if is_video else PICTURES)
        self.classes = found.classes
        by_class: list[list[Path]] = [[] for _ in self.classes]
        for name, label in found.files:
            by_class[label].append(Path(folder, name))
        share = max(2, most // max(1, len(self.classes)))
        self.files = [(file, label) for label, files in enumerate(by_class)
                      for file in files[::-(-len(files) // share)]]
        if len(self.classes) < 2 or min(map(len, by_class)) < 2:
            raise ValueError(
                f'{folder}: a folder for neighbours must hold at least two classes, a folder each, '
                f'of two {"videos" if is_video else "pictures"}, got '
                f'{", ".join(map(str, map(len, by_class))) or "no class"}: add some, or set '
                'report.knn=None')
        self.is_video = is_video
        self.frame_interval = frame_interval
        self._process = LoadingProcess(self._read, TIME_LIMIT)

    def top1(self, model: MaskedPretraining) -> float:
        """Share of the files whose class their nearest neighbours among the others vote for.

        A file that cannot be read is left out from then on, with a warning.
        """
        features = [_pooled(model, batch) for batch in self._batches(model)]
        return leave_one_out(torch.cat(features), torch.tensor([label for _, label in self.files]))

    def _batches(self, model: MaskedPretraining) -> Iterator[list[Input]]:
        size: Any = model.backbone.grid.input_size
        files, self.files = self.files, []
        batch: list[Input] = []
        for file, label in files:
            try:
                batch.append(self._process(file, size))
            except (ValueError, ProcessLost) as error:
                print_log(f'Bad sample, left out of the neighbours: {printable(file)} ({error}).',
                          'current', logging.WARNING)
                continue
            self.files.append((file, label))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _read(self, file: Path, size: Any) -> Input:
        """In a process of its own, which the file may crash."""
        if self.is_video:
            return read_clip(file, size, self.frame_interval)
        return read_image(file, size)


@torch.no_grad()
def _pooled(model: MaskedPretraining, items: Sequence[Input]) -> Tensor:
    """(B, D) mean over the patches, of length 1."""
    channels = model.backbone.architecture.channels
    batches = [batch_of(item, model.data_preprocessor, channels) for item in items]
    inputs: Any = [view for batch in batches for view in batch]
    if isinstance(batches[0], Tensor):
        inputs = torch.stack(inputs)
    with evaluating(model):
        images = model.fold_views(model.data_preprocessor(
            dict(inputs=inputs, data_samples=None))['inputs'])
        every = torch.arange(model.backbone.grid.num_tokens, device=images.device)
        tokens, _ = model.backbone.encode(images, every.expand(len(images), -1))
    patches = split_prefix(tokens, model.backbone.num_prefix_tokens)[1]
    return F.normalize(patches.float().mean(1), dim=1).cpu()


def leave_one_out(features: Tensor, labels: Tensor, k: int = K,
                  temperature: float = TEMPERATURE) -> float:
    """Share of samples whose nearest neighbours among the others vote for their class.

    Args:
        features: (n, D) of length 1.
        labels: (n,) from 0.
        k: Neighbours that vote; all, where there are fewer.
        temperature: Of their votes, exp(similarity / temperature).
    """
    similarities = (features @ features.T).fill_diagonal_(-torch.inf)
    nearest, ids = similarities.topk(min(k, len(features) - 1), dim=1)
    weights = ((nearest - nearest[:, :1]) / temperature).exp()
    scores = weights.new_zeros(len(features), int(labels.max()) + 1)
    scores.scatter_add_(1, labels[ids], weights)
    return float((scores.argmax(1) == labels).float().mean())
