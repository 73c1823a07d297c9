"""Networks at work: files and folders in, features, predictions and reconstructions out."""
from amd_mm.inference.action_detector import ActionDetector, Moment, is_action_detector
from amd_mm.inference.action_predictor import ActionPredictor
from amd_mm.inference.box_predictor import BoxPredictor
from amd_mm.inference.classifier import Classifier, Prediction
from amd_mm.inference.detector import Detection, Detector, is_detector
from amd_mm.inference.encoder import LoadedEncoder, load_encoder
from amd_mm.inference.feature_extractor import POOLS, FeatureExtractor, WindowFeatures
from amd_mm.inference.feature_file import (
    FeatureFile,
    WindowTable,
    check_features,
    read_features,
    read_windows,
    write_windows,
)
from amd_mm.inference.files import digest, find_files, reading
from amd_mm.inference.inputs import (
    Input,
    batch_of,
    clip_of,
    fit_picture,
    frame_interval_of,
    read_clip,
    read_image,
)
from amd_mm.inference.journal import FileEnd, Journal
from amd_mm.inference.live import Camera
from amd_mm.inference.mask_predictor import MaskPredictor
from amd_mm.inference.people import BoxFile, MMDetPeople, People, Person, TorchvisionPeople
from amd_mm.inference.predictor import Predictor
from amd_mm.inference.progress import Line, list_failed
from amd_mm.inference.reconstruction import evaluating, fixed_keys, reconstruct
from amd_mm.inference.segmentor import Annotated, Segmentor, Share, is_segmentor
from amd_mm.inference.student import build_student, load_student
from amd_mm.inference.subtitles import write_srt, write_vtt
from amd_mm.inference.timeline import Cue, Scored, cues, smoothed, spans
from amd_mm.inference.window_files import FORMATS, WindowFiles, lines_of
from amd_mm.inference.window_run import Progress, WindowNetwork, WindowRun
from amd_mm.inference.windows import Cut, Window, video_frames, windows_by_count, windows_by_time

__all__ = [
    'FORMATS', 'POOLS', 'ActionDetector', 'ActionPredictor', 'Annotated', 'BoxFile', 'BoxPredictor',
    'Camera', 'Classifier', 'Cue', 'Cut', 'Detection', 'Detector', 'FeatureExtractor',
    'FeatureFile', 'FileEnd', 'Input', 'Journal', 'Line', 'LoadedEncoder', 'MMDetPeople',
    'MaskPredictor', 'Moment', 'People', 'Person', 'Prediction', 'Predictor', 'Progress', 'Scored',
    'Segmentor', 'Share', 'TorchvisionPeople', 'Window', 'WindowFeatures', 'WindowFiles',
    'WindowNetwork', 'WindowRun', 'WindowTable', 'batch_of', 'build_student', 'check_features',
    'clip_of', 'cues', 'digest', 'evaluating', 'find_files', 'fit_picture', 'fixed_keys',
    'frame_interval_of', 'is_action_detector', 'is_detector', 'is_segmentor', 'lines_of',
    'list_failed', 'load_encoder', 'load_student', 'read_clip', 'read_features', 'read_image',
    'read_windows', 'reading', 'reconstruct', 'smoothed', 'spans', 'video_frames',
    'windows_by_count', 'windows_by_time', 'write_srt', 'write_vtt', 'write_windows'
]
