"""Encoders as files."""
from pathlib import Path

import tiny_vits
import torch


def save(net: torch.nn.Module, path: Path) -> Path:
    """One of :mod:`tiny_vits` in our layout, which says what no tensor holds."""
    facts = dict(num_heads=tiny_vits.HEADS, image_size=[tiny_vits.SIZE] * 2,
                 num_frames=tiny_vits.FRAMES)
    torch.save(dict(meta=dict(facts=facts), state_dict={
        f'backbone.{name}': value for name, value in net.state_dict().items()}), path)
    return path
