"""Networks at work: files and folders in, features, predictions and reconstructions out."""
from amd_mm.inference.box_predictor import BoxPredictor
from amd_mm.inference.classifier import Classifier, Prediction
from amd_mm.inference.detector import Detection, Detector, is_detector
from amd_mm.inference.feature_extractor import POOLS, FeatureExtractor
from amd_mm.inference.feature_file import FeatureFile, read_features
from amd_mm.inference.files import digest, find_files, reading
from amd_mm.inference.inputs import Input, batch_of, frame_interval_of, read_clip, read_image
from amd_mm.inference.mask_predictor import MaskPredictor
from amd_mm.inference.predictor import Predictor, lines_of
from amd_mm.inference.reconstruction import evaluating, fixed_keys, reconstruct
from amd_mm.inference.segmentor import Annotated, Segmentor, Share, is_segmentor
from amd_mm.inference.student import build_student, load_student
from amd_mm.inference.windows import Window, camera_frames, sliding_windows, video_frames

__all__ = [
    'POOLS', 'Annotated', 'BoxPredictor', 'Classifier', 'Detection', 'Detector', 'FeatureExtractor',
    'FeatureFile', 'Input', 'MaskPredictor', 'Prediction', 'Predictor', 'Segmentor', 'Share',
    'Window', 'batch_of', 'build_student', 'camera_frames', 'digest', 'evaluating', 'find_files',
    'fixed_keys', 'frame_interval_of', 'is_detector', 'is_segmentor', 'lines_of', 'load_student',
    'read_clip', 'read_features', 'read_image', 'reading', 'reconstruct', 'sliding_windows',
    'video_frames'
]
