"""Checkpoints out: other layouts, Transformers folders, ONNX, model cards; the published ones."""
from amd_mm.export.convert import Conversion, Options, convert_weights, report
from amd_mm.export.files import TARGETS, convert_checkpoint

__all__ = [
    'TARGETS', 'Conversion', 'Options', 'convert_checkpoint', 'convert_weights', 'report'
]
