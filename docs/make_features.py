"""Draw docs/pictures/pictures_features.png: ``python docs/make_features.py STUDY_WORK_DIR``.

Patch features of seed 0's students of tools/studies/pictures.py and of random weights, of the first
pictures of the test, turned towards DINOv2's. The work dir is the study's.
"""
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from PIL import Image

from amd_mm.checkpoints import load_pretrained
from amd_mm.registry import MODELS
from amd_mm.report.gathering.colours import colour_views
from amd_mm.report.gathering.features import read_features
from amd_mm.studies import plan_study, read_study
from amd_mm.visualization import draw_strip

REPO = Path(__file__).resolve().parents[1]
DATA = Path('data/cifar10')
NUM_PICTURES, NUM_SHOWN = 128, 8  # all have a say in the directions


def main(run: Path) -> None:
    """Read every network once and draw them side by side."""
    study = read_study(REPO / 'tools/studies/pictures.py')
    weights = {stage.name: stage.output for stage in plan_study(study, run, 0, 'test')}
    model = MODELS.build(Config.fromfile(study.pretrainings['amd_dinov2'].config).model).eval()
    torch.manual_seed(0)
    model.init_weights()
    model.backbone.drop_final_norm()  # not read, and distilled students have none

    lines = (DATA / 'test.txt').read_text().splitlines()[:NUM_PICTURES]
    pixels = np.stack([np.asarray(Image.open(DATA / line.split()[0])) for line in lines])
    pictures = torch.from_numpy(pixels).movedim(-1, 1)
    images = model.data_preprocessor(dict(  # it expects BGR, as OpenCV reads
        inputs=list(pictures.flip(1)), data_samples=[DataSample() for _ in lines]))['inputs']

    views = {'picture': pictures[:NUM_SHOWN] / 255}
    for arm, setting in study.arms.items():
        if setting.start is not None:
            checkpoint = weights[f'seed0/pretrain_{setting.start}']
            if not checkpoint.exists():  # not run
                continue
            load_pretrained(model.backbone, checkpoint)
        views[arm], teacher = colour_views(
            read_features(model, images), model.backbone.grid, range(NUM_SHOWN)).values()
    views['DINOv2'] = teacher
    Image.fromarray(draw_strip(views)).save(REPO / 'docs/pictures/pictures_features.png')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
