"""Checkpoints: any teacher in, any student out."""
from amd_mm.checkpoints.loading import load_encoder, load_pretrained
from amd_mm.checkpoints.reading import Checkpoint, read_checkpoint, read_state_dict

__all__ = ['Checkpoint', 'load_encoder', 'load_pretrained', 'read_checkpoint', 'read_state_dict']
