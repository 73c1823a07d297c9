"""Checkpoints in: any file or folder to weights, and into a module."""
from amd_mm.checkpoints.architecture import Architecture
from amd_mm.checkpoints.canonical import canonical_weights, compare_weights
from amd_mm.checkpoints.layouts import layout_named
from amd_mm.checkpoints.loading import LoadableEncoder, fill_encoder, load_pretrained
from amd_mm.checkpoints.reading import Checkpoint, read_checkpoint, read_state_dict

__all__ = [
    'Architecture', 'Checkpoint', 'LoadableEncoder', 'canonical_weights', 'compare_weights',
    'fill_encoder', 'layout_named', 'load_pretrained', 'read_checkpoint', 'read_state_dict'
]
