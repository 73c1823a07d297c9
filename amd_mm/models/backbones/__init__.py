"""Encoders that see some tokens only: the hosts' classes, with the hosts' names of weights."""
from amd_mm.models.backbones.encoder import Encoder
from amd_mm.models.backbones.image_vit import ImageVisionTransformer
from amd_mm.models.backbones.video_vit import VideoVisionTransformer

__all__ = ['Encoder', 'ImageVisionTransformer', 'VideoVisionTransformer']
