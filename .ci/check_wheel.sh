#!/usr/bin/env bash
# Builds the wheel, installs it in an environment outside of the checkout, and trains two steps there
# from `_base_ = ['amd_mm::...']`. The active environment lends its packages, all but ours.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
lent=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# From a copy: setuptools leaves build/ and *.egg-info where it builds.
git archive HEAD | tar -x -C "$place" --one-top-level=source
python -m build --wheel --no-isolation --outdir "$place/dist" "$place/source" > "$place/build.log" 2>&1 \
    || { cat "$place/build.log"; exit 1; }

python -m venv "$place/venv"
# A line in a .pth file adds the folder alone, not the editable installs that it holds.
echo "$lent" > "$("$place/venv/bin/python" -c \
    'import sysconfig; print(sysconfig.get_path("purelib"))')/lent.pth"
"$place/venv/bin/python" -m pip install --quiet --no-deps "$place"/dist/*.whl

mkdir "$place/work" && cd "$place/work"
cat > make_videos.py <<'PYTHON'
import av
import numpy as np

for number in range(4):
    with av.open(f'videos/{number}.mp4', 'w') as container:
        stream = container.add_stream('mpeg4', rate=25)
        stream.width = stream.height = 64
        for frame in range(12):
            noise = np.random.default_rng([number, frame]).integers(0, 256, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, 'rgb24')))
        container.mux(stream.encode())
PYTHON
mkdir videos && "$place/venv/bin/python" make_videos.py
cat > tiny.py <<'PYTHON'
_base_ = ['amd_mm::videomae/videomae_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py']
model = dict(
    backbone=dict(img_size=32, num_frames=4, embed_dims=24, depth=2, num_heads=3),
    mask_generator=dict(student_ratio=0.5),
    decoder=dict(embed_dims=12, depth=1, num_heads=3))
train_dataloader = dict(
    batch_size=1, num_workers=0, persistent_workers=False, pin_memory=False,
    dataset=dict(
        dataset=dict(
            ann_file='', data_prefix=dict(video='videos'),
            pipeline=[
                dict(type='amd_mm.PyAVInit'),
                dict(type='amd_mm.SampleStridedFrames', clip_len=4, frame_interval=1),
                dict(type='amd_mm.PyAVDecode'),
            ]),
        pipeline=[
            dict(type='amd_mm.MultiScaleCrop'),
            dict(type='amd_mm.ResizeClip', scale=(32, 32)),
            dict(type='mmaction.FormatShape', input_format='NCTHW'),
            dict(type='mmaction.PackActionInputs'),
        ]))
global_batch_size = 2
train_cfg = dict(max_epochs=1)
param_scheduler = None
PYTHON
tools=$("$place/venv/bin/python" -c \
    "import amd_mm, pathlib; print(pathlib.Path(amd_mm.__file__).parent / '.mim' / 'tools')")
case $tools in "$place"/venv/*) ;; *) echo "The wheel's package was not taken, but $tools" >&2; exit 1;; esac
amd_mm="$place/venv/bin/amd-mm"
"$amd_mm" --help > /dev/null
for name in pretrain finetune predict features export convert report config; do
    "$amd_mm" "$name" --help | grep -q "usage: amd-mm $name" \
        || { echo "amd-mm $name --help does not show its usage" >&2; exit 1; }
done
"$amd_mm" pretrain --data videos --out begun --config-only 2> begun.log || { cat begun.log; exit 1; }
grep -q "_base_ = \['amd_mm::videomae/" begun/config.py
OMP_NUM_THREADS=1 "$place/venv/bin/python" "$tools/train.py" tiny.py > train.log 2>&1 \
    || { tail -n 40 train.log; exit 1; }
"$place/venv/bin/python" - <<'PYTHON'
import torch

import amd_mm

saved = torch.load('work_dirs/tiny/epoch_1.pth', weights_only=True)
assert saved['meta']['iter'] == 2, saved['meta']['iter']
print(f'The wheel of amd_mm {amd_mm.__version__} trained {saved["meta"]["iter"]} updates.')
PYTHON
