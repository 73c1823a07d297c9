"""Real nuclei (tests/data/nuclei) as a data set in COCO's format."""
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle

FOLDER = Path(__file__).parents[1] / 'data' / 'nuclei'


def instances() -> np.ndarray:
    """(H, W): 0 is the background, every nucleus has a number of its own."""
    return cv2.imread(str(FOLDER / 'instances.png'), cv2.IMREAD_UNCHANGED)


def coco_content(categories: tuple[str, ...] = ('large', 'small'), copies: int = 2) -> dict:
    """What a COCO file of ``copies`` of the picture holds; nuclei take turns in the categories."""
    numbered = instances()
    height, width = numbered.shape
    content = dict(
        images=[dict(id=10 + copy, file_name=f'nuclei {copy}.png', height=height, width=width)
                for copy in range(copies)],
        # COCO's ids have gaps.
        categories=[dict(id=3 + 4 * index, name=name) for index, name in enumerate(categories)],
        annotations=[])
    for image in content['images']:
        for number in range(1, numbered.max() + 1):
            encoded = rle.encode(np.asfortranarray(numbered == number, np.uint8))
            content['annotations'].append(dict(
                id=len(content['annotations']) + 1, image_id=image['id'], iscrowd=0,
                category_id=content['categories'][number % len(categories)]['id'],
                bbox=rle.toBbox(encoded).tolist(), area=int(rle.area(encoded)),
                segmentation=dict(encoded, counts=encoded['counts'].decode())))
    return content


def write_coco(root: Path, content: dict | None = None, part: str = 'train') -> Path:
    """``root/PART/*.png`` and ``root/annotations/PART.json``; returns the latter."""
    content = coco_content() if content is None else content
    for image in content['images']:
        path = root / part / image['file_name']
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / 'picture.png', path)
    ann_file = root / 'annotations' / f'{part}.json'
    ann_file.parent.mkdir(exist_ok=True)
    ann_file.write_text(json.dumps(content))
    return ann_file
