"""Pictures of masks and reconstructions."""
from amd_mm.visualization.inputs import Input, batch_of, frame_interval_of, read_clip, read_image
from amd_mm.visualization.strip import draw_frames, draw_strip, write_gif
from amd_mm.visualization.student import build_student, load_student
from amd_mm.visualization.views import describe, fixed_keys, reconstruct, reconstruction_views

__all__ = [
    'Input', 'batch_of', 'build_student', 'describe', 'draw_frames', 'draw_strip', 'fixed_keys',
    'frame_interval_of', 'load_student', 'read_clip', 'read_image', 'reconstruct',
    'reconstruction_views', 'write_gif'
]
