"""Pictures: masks, boxes, reconstructions, text on videos. Draws, and does nothing else."""
from amd_mm.visualization.annotate import VideoFile, caption
from amd_mm.visualization.boxes import draw_boxes
from amd_mm.visualization.masks import legend, paint
from amd_mm.visualization.strip import draw_frames, draw_strip, write_gif
from amd_mm.visualization.views import describe, mask_views, reconstruction_views

__all__ = [
    'VideoFile', 'caption', 'describe', 'draw_boxes', 'draw_frames', 'draw_strip', 'legend',
    'mask_views', 'paint', 'reconstruction_views', 'write_gif'
]
