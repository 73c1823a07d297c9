"""python run_torch.py FOLDER FILE; needs torch, numpy, pillow and av alone."""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image


def cut(picture, said, rows, columns):
    if said['short_side']:
        scale = said['short_side'] / min(picture.size)
        size, kind = [round(side * scale) for side in picture.size], said['interpolation'].upper()
        how = dict(resample=getattr(Image, kind))
        picture = picture.resize(size, **how) if said['antialias'] else picture.transform(
            size, Image.EXTENT, (0, 0, *picture.size), **how)
    left, top = (picture.width - columns) // 2, (picture.height - rows) // 2
    return np.asarray(picture.crop((left, top, left + columns, top + rows)))


def read(path, said, shape):
    if 'frames' not in said:
        return cut(Image.open(path).convert('RGB'), said, *shape[1:3])[None]
    import av
    with av.open(path) as video:
        frames = list(video.decode(video=0))
    count, stride = said['frames'], said['stride'] or len(frames) / said['frames']
    first = max(0, (len(frames) - count * stride + 1) // 2) if said['stride'] else stride / 2
    chosen = [frames[min(len(frames) - 1, int(first + i * stride))] for i in range(count)]
    return np.stack([cut(one.to_image(), said, *shape[2:4]) for one in chosen])[None]


folder, file = sys.argv[1:]
said = json.loads(Path(folder, 'model.json').read_text())
pixels = read(file, said['preprocess'], said['inputs'][0]['shape'])
model = torch.export.load(str(Path(folder, said['file']))).module()
scores = model(torch.tensor(pixels))[0].detach().numpy()
for label in scores.argsort()[::-1][:5]:
    print(f"{scores[label]:.4f} {said['classes'][label] if said['classes'] else label}")
