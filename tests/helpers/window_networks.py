"""Networks of windows that say what they were shown."""
from collections.abc import Sequence

import clips
import torch

from amd_mm.inference import Prediction


class Numbers:
    """Of a window: the numbers of its first and last frame, and of the batch it was in.

    Args:
        stop_at: Number of the batch at which the process is killed.
    """

    window_shape = (3, )
    classes = None

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.sizes: list[int] = []

    def window_length(self, fps: float) -> int:
        return 8

    def prepare(self, frames) -> tuple[int, int]:
        return clips.frame_number(frames[0]), clips.frame_number(frames[-1])

    def compute(self, samples: Sequence[tuple[int, int]]) -> torch.Tensor:
        if len(self.sizes) == self.stop_at:
            raise KeyboardInterrupt
        self.sizes.append(len(samples))
        return torch.tensor([[*sample, len(samples)] for sample in samples], dtype=torch.float32)


class Shares(Numbers):
    """A classifier: the first class goes from 1 to 0 over 64 frames, the second the other way."""

    is_video = True
    window_shape = (2, )

    def compute(self, samples: Sequence[tuple[int, int]]) -> torch.Tensor:
        share = super().compute(samples)[:, 0] / 64
        return torch.stack([1 - share, share], 1)

    def window_scores(self, frames) -> torch.Tensor:
        return self.compute([self.prepare(frames)])[0]

    def top(self, scores: torch.Tensor, count: int = 5) -> list[Prediction]:
        order = scores.argsort(descending=True)[:count].tolist()
        return [Prediction(label, None, round(scores[label].item(), 3)) for label in order]
