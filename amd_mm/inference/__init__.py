"""Networks at work: features, predictions, and the files that go in and out."""
from amd_mm.inference.annotate import VideoFile, caption
from amd_mm.inference.classifier import Classifier, Prediction
from amd_mm.inference.encoder import POOLS, FeatureExtractor
from amd_mm.inference.feature_file import FeatureFile, read_features
from amd_mm.inference.files import digest, find_files, reading
from amd_mm.inference.windows import Window, camera_frames, sliding_windows, video_frames

__all__ = [
    'POOLS', 'Classifier', 'FeatureExtractor', 'FeatureFile', 'Prediction', 'VideoFile', 'Window',
    'camera_frames', 'caption', 'digest', 'find_files', 'read_features', 'reading',
    'sliding_windows', 'video_frames'
]
