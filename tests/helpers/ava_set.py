"""A small data set annotated like AVA, made from real clips, and the recipes made small for it."""
import pickle
from collections.abc import Iterable
from pathlib import Path

import av
import cv2
import numpy as np
import tiny_vits
from clips import REAL
from mmengine.config import Config
from recipes import CONFIGS, nodes, shorten

RECIPES = {path.stem: path for path in sorted((CONFIGS / 'detection').glob('*.py'))}
NUM_CLASSES = 5
FPS, SECONDS, SIZE = 10, 4, (56, 40)
VIDEOS = {'carphone': 'carphone_pristine.mp4', 'bikes': 'bikes.mp4'}
# Two has no name: a gap, as AVA's own file has.
LABELS = {1: 'sit in a car', 3: 'ride a bike', 4: 'be on the right'}
LEFT, RIGHT = (.05, .1, .45, .9), (.5, .2, .95, .8)
KEY_FRAMES = [(video, timestamp) for video in VIDEOS for timestamp in range(1, SECONDS)]
EXCLUDED = ('bikes', 3)


def annotation_rows() -> list[str]:
    """Two boxes a key frame; the scene is a label of both, the side one of the right box."""
    scene = dict(carphone=1, bikes=3)
    rows = []
    for video, timestamp in KEY_FRAMES:
        for person, box in enumerate((LEFT, RIGHT)):
            corners = ','.join(f'{corner:.3f}' for corner in box)
            for label in (scene[video], *[4] * (box is RIGHT)):
                rows.append(f'{video},{timestamp:04d},{corners},{label},{person}')
    return rows


def write_rows(root: Path, rows: Iterable[str]) -> None:
    (root / 'boxes.csv').write_text(''.join(f'{row}\n' for row in rows))


def write_labels(root: Path, labels: dict[int, str] | list[tuple[int, str]]) -> None:
    """The label file in AVA's form: four lines an item, the id in the third."""
    pairs = labels.items() if isinstance(labels, dict) else labels
    (root / 'labels.pbtxt').write_text(''.join(
        f'item {{\n  name: "{name}"\n  id: {label}\n}}\n' for label, name in pairs))


def make_proposals() -> dict[str, np.ndarray]:
    """The boxes themselves, and two that are too uncertain to be used."""
    boxes = [(*LEFT, .97), (*RIGHT, .95), (0, 0, 1, 1, .2), (.4, .4, .6, .6, .1)]
    return {f'{video},{timestamp:04d}': np.array(boxes) for video, timestamp in KEY_FRAMES}


def write_proposals(root: Path, proposals: dict[str, np.ndarray]) -> None:
    (root / 'proposals.pkl').write_bytes(pickle.dumps(proposals))


def make_set(root: Path) -> Path:
    """``rawframes/VIDEO/img_00001.jpg``, ``videos/VIDEO.mp4``, and the four annotation files."""
    (root / 'videos').mkdir(parents=True)
    for name, source in VIDEOS.items():
        folder = root / 'rawframes' / name
        folder.mkdir(parents=True)
        with av.open(str(REAL / source)) as container, \
                av.open(str(root / 'videos' / f'{name}.mp4'), 'w') as out:
            stream = out.add_stream('libx264', rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *SIZE, 'yuv420p'
            for number, frame in enumerate(container.decode(video=0)):
                if number == FPS * SECONDS:
                    break
                picture = cv2.resize(frame.to_ndarray(format='bgr24'), SIZE)
                cv2.imwrite(str(folder / f'img_{number + 1:05d}.jpg'), picture)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, 'bgr24')))
            out.mux(stream.encode(None))
    write_rows(root, annotation_rows())
    write_labels(root, LABELS)
    write_proposals(root, make_proposals())
    (root / 'excluded.csv').write_text('{},{:04d}\n'.format(*EXCLUDED))
    return root


def datasets(cfg: Config) -> dict[str, dict]:
    """The data sets that read AVA's files, inside wrappers."""
    found = {part: cfg[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')}
    return {part: dataset.get('dataset', dataset) for part, dataset in found.items()}


def small(name: str, root: Path, work_dir: Path, student: Path | None) -> Config:
    """A recipe with a tiny network on the set in ``root``."""
    cfg = Config.fromfile(RECIPES[name])
    shrink(cfg, work_dir)
    if student is not None:
        cfg.model.backbone.init_cfg.checkpoint = str(student)
    cfg.model.roi_head.bbox_head.update(num_classes=NUM_CLASSES, topk=1)
    files = dict(ann_file=str(root / 'boxes.csv'), label_file=str(root / 'labels.pbtxt'),
                 exclude_file=str(root / 'excluded.csv'))
    for dataset in datasets(cfg).values():
        folder = 'rawframes' if dataset.get('use_frames', True) else 'videos'
        dataset.update(
            files, proposal_file=str(root / 'proposals.pkl'), num_classes=NUM_CLASSES, fps=FPS,
            timestamp_start=0, timestamp_end=SECONDS, data_prefix=dict(img=str(root / folder)),
            unnamed_labels=False, missing_proposals=False)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.update(files, num_classes=NUM_CLASSES)
    return cfg


def shrink(cfg: Config, work_dir: Path) -> None:
    """A tiny network, 32 pixels, 4 frames, batches of 3, quiet; data is left alone."""
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = str(work_dir).replace('/', '_')
    cfg.visualizer = dict(type='Visualizer', vis_backends=[])
    cfg.log_level = 'WARNING'
    cfg.model.backbone.update(
        img_size=tiny_vits.SIZE, patch_size=tiny_vits.PATCH, embed_dims=tiny_vits.WIDTH,
        depth=tiny_vits.DEPTH, num_heads=tiny_vits.HEADS, num_frames=tiny_vits.FRAMES)
    cfg.optim_wrapper.paramwise_cfg.num_layers = tiny_vits.DEPTH
    cfg.model.roi_head.bbox_roi_extractor.featmap_stride = tiny_vits.PATCH
    cfg.model.roi_head.bbox_head.in_channels = tiny_vits.WIDTH
    cfg.train_dataloader.batch_size = cfg.global_batch_size = 2
    shorten(cfg)
    for node in list(nodes(cfg._cfg_dict)):
        if 'clip_len' in node:
            node.update(clip_len=tiny_vits.FRAMES, frame_interval=2)
        kind = str(node.get('type')).rpartition('.')[2]
        if kind == 'RandomRescale':
            node.scale_range = (tiny_vits.SIZE, tiny_vits.SIZE + 8)
        if kind == 'RandomCrop':
            node['size'] = tiny_vits.SIZE
        if kind == 'Resize':
            node.scale = (-1, tiny_vits.SIZE)
        if 'num_workers' in node:
            node.update(num_workers=0, persistent_workers=False)
