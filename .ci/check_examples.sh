#!/usr/bin/env bash
# Runs examples/deploy in environments that hold one runtime each, and what the examples say they
# need, on a small exported recognizer and classifier; the scores must be those of the network in torch.
# The active environment lends its packages: nothing is downloaded.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

PYTHONPATH=tests/helpers python - "$place" > "$place/export.log" 2>&1 <<'PYTHON' \
    || { tail -n 40 "$place/export.log"; exit 1; }
import json
import sys
from pathlib import Path

from clips import write_video
from exports import tuned_checkpoint
from transfer import make_pictures
from tuned import OWN_IMAGES, OWN_VIDEOS

from amd_mm.deploy import Form, Trial, Wish, export, read_subject
from amd_mm.deploy.sources import run_torch, stack
from amd_mm.deploy.subject import Exported

place = Path(sys.argv[1])
# Grey, as each decoder has its way to make RGB of colours.
files = dict(video=write_video(place / 'grey.mp4', 32),
             picture=make_pictures(place / 'pictures') / 'val/first/0.png')
for name, recipe in dict(video=OWN_VIDEOS, picture=OWN_IMAGES).items():
    subject = read_subject(tuned_checkpoint(recipe, place / name)[0], Wish())
    for target in ('onnx', 'openvino', 'pt2'):
        export(subject, Form(target), Trial([files[name]]), place / f'{name}_{target}')
    pixels, = stack(subject, [files[name]])
    scores, = run_torch(Exported(subject, True).eval(), subject.inputs(pixels, True))
    (place / f'{name}.json').write_text(json.dumps(dict(
        file=str(files[name]), scores=dict(zip(subject.classes, scores.tolist(), strict=True)))))
PYTHON

for pair in onnx:onnxruntime openvino:openvino pt2:torch; do
    target=${pair%:*} runtime=${pair#*:}
    python -m venv --without-pip "$place/$runtime"
    # The runtime, numpy, Pillow, PyAV and what these require, as links.
    python - "$runtime" "$("$place/$runtime/bin/python" -c \
        'import sysconfig; print(sysconfig.get_path("purelib"))')" <<'PYTHON'
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

runtime, packages = sys.argv[1], Path(sys.argv[2])
waiting, held = [runtime, 'numpy', 'pillow', 'av'], set()
while waiting:
    one = distribution(waiting.pop())
    if one.name in held:
        continue
    held.add(one.name)
    for file in one.files:
        first = file.parts[0]
        if first not in ('..', '__pycache__') and not (packages / first).exists():
            (packages / first).symlink_to(one.locate_file(first))
    needed = map(Requirement, one.requires or [])
    waiting += [more.name for more in needed if not more.marker or more.marker.evaluate(
        {'extra': ''})]
PYTHON
    for name in video picture; do
        file=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["file"])' \
            "$place/$name.json")
        "$place/$runtime/bin/python" "examples/deploy/run_$runtime.py" "$place/${name}_$target" \
            "$file" > "$place/said.txt"
        "$place/$runtime/bin/python" -I - "$runtime" "$place/$name.json" "$place/said.txt" <<'PYTHON'
import importlib.metadata
import importlib.util
import json
import sys

runtime, expected, said = sys.argv[1:]
scores = json.load(open(expected))['scores']
lines = [line.split() for line in open(said)]
assert [name for _, name in lines] == sorted(scores, key=lambda name: -scores[name]), lines
assert all(abs(float(score) - scores[name]) < 1e-3 for score, name in lines), (lines, scores)
others = [name for name in ('amd_mm', 'mmengine', 'cv2', 'torchvision', 'onnx', 'onnxruntime',
                            'openvino', 'torch') if name != runtime and importlib.util.find_spec(name)]
assert not others, others
held = sorted({one.name for one in importlib.metadata.distributions()})
print(f'{lines} with {", ".join(held)}')
PYTHON
    done
done
