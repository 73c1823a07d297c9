from amd_mm.models.backbones.image_vit import ImageVisionTransformer
from amd_mm.models.backbones.video_vit import VideoVisionTransformer

__all__ = ['ImageVisionTransformer', 'VideoVisionTransformer']
