"""What is exported: a network, what it takes and gives, and where it comes from."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# What the network gives; of 'boxes' it also takes boxes.
CLASSIFIER, ENCODER, BOXES = 'classifier', 'encoder', 'boxes'


@dataclass
class Subject:
    """A network in float32 and the facts that travel with it.

    Attributes:
        network: Normalised float pixels (B, C, (T,) H, W), and boxes (N, 4) for ``'boxes'``, to
            scores or features.
        kind: ``'classifier'``, ``'encoder'`` or ``'boxes'``.
        size: ((T,) H, W) of its input.
        mean, std: Of pixels in RGB, 0-255.
        classes: Names in the order of the scores; None: not known.
        read: A file to (((T,) H, W, 3) uint8, RGB), cut as in testing, one view.
        reading: The same in words and numbers, for whoever has to do it elsewhere.
        source: Name and SHA-256 of the checkpoint.
        licence: Of the weights; None: nobody said.
        notes: What else has to be known to use the export.
    """

    network: nn.Module
    kind: str
    size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...] | None
    read: Callable[[Path], np.ndarray]
    reading: Mapping[str, Any]
    source: Mapping[str, str]
    licence: str | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_video(self) -> bool:
        """Whether it takes clips."""
        return len(self.size) == 3

    def inputs(self, pixels: np.ndarray, in_graph: bool) -> dict[str, np.ndarray]:
        """What a runtime is fed for a batch: pixels, and of ``'boxes'`` boxes that try it.

        Args:
            pixels: (B, (T,) H, W, 3) uint8, RGB.
            in_graph: Whether the exported file normalises them itself.
        """
        if not in_graph:
            mean, std = (np.array(one, np.float32) for one in (self.mean, self.std))
            values = (pixels.astype(np.float32) - mean) / std
            pixels = np.ascontiguousarray(np.moveaxis(values, -1, 1))
        return {'pixels': pixels, **({'boxes': self._boxes()} if self.kind == BOXES else {})}

    def _boxes(self) -> np.ndarray:
        """The frame, its halves and its middle, in pixels: left, top, right, bottom."""
        height, width = self.size[-2:]
        shares = [(0, 0, 1, 1), (0, 0, .5, 1), (.5, 0, 1, 1), (.3, .2, .7, .8)]
        return np.array(shares, np.float32) * np.array([width, height] * 2, np.float32)


class Exported(nn.Module):
    """The network as a file holds it: pixels in, scores or features out.

    Args:
        subject: The network, and how its pixels are normalised.
        in_graph: Whether it takes (B, (T,) H, W, 3) uint8 and normalises and permutes it, or takes
            what :meth:`Subject.inputs` does outside.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, subject: Subject, in_graph: bool) -> None:
        super().__init__()
        self.network, self.in_graph = subject.network, in_graph
        for name in ('mean', 'std'):
            self.register_buffer(name, torch.tensor(getattr(subject, name)), persistent=False)

    def forward(self, pixels: Tensor, boxes: Tensor | None = None) -> Tensor:
        """Scores (B, classes) or (N, classes), or features."""
        if self.in_graph:
            values = (pixels.to(torch.float32) - self.mean) / self.std
            axes = list(range(pixels.ndim))
            pixels = values.permute(0, axes[-1], *axes[1:-1])
        dtype = next(self.network.parameters()).dtype
        # Boxes are places, which bfloat16 would move.
        inputs = (pixels.to(dtype), ) if boxes is None else (pixels.to(dtype), boxes)
        return self.network(*inputs).to(torch.float32)
