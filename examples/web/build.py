"""Builds the page: a folder that any file server can show.

Takes the int8 file beside the student where there is one (NAME.int8.onnx), else the student.
onnxruntime-web comes by npm, once; what the page needs of it is copied.
"""
import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
PAGE = ('index.html', 'page.js', 'student.js', 'worker.js', 'frames.js', 'plot.js')
RUNTIME = ('ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm')
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('student', type=Path, help='.onnx of a classifier of clips or pictures')
    parser.add_argument('--classes', type=Path, metavar='FILE',
                        help='names, one a line (default: those in the file)')
    parser.add_argument('--seconds-between', type=float, default=4 / 30, metavar='SECONDS',
                        help='from one frame of a clip to the next, as in training (default: '
                        'every 4th of 30 a second)')
    parser.add_argument('--out', type=Path, required=True, metavar='FOLDER')
    return parser.parse_args()


def facts_of(student: Path, classes: Path | None, seconds_between: float) -> dict:
    """What the page has to know of the network."""
    session = onnxruntime.InferenceSession(str(student), providers=['CPUExecutionProvider'])
    (pixels, ), (scores, *_) = session.get_inputs(), session.get_outputs()
    last = pixels.shape[-1] == 3
    *frames, rows, columns = pixels.shape[1:-1] if last else pixels.shape[2:]
    if (not last and pixels.shape[1] != 3) or len(frames) > 1:
        raise ValueError(f'{student}: must take clips (N, 3, T, H, W) or pictures (N, 3, H, W), or '
                         f'with channels last, but takes {pixels.shape}; export a classifier')
    if len(scores.shape) != 2:
        raise ValueError(f'{student}: must give scores of classes, but gives {scores.shape}; '
                         'export a fine-tuned checkpoint, with its head')
    said = json.loads(session.get_modelmeta().custom_metadata_map.get('amd_mm', '{}'))
    names = classes.read_text('utf-8').splitlines() if classes else said.get('classes') or []
    if names and len(names) != scores.shape[1]:
        raise ValueError(f'{classes}: must name all {scores.shape[1]} classes, but names '
                         f'{len(names)}')
    as_bytes = pixels.type == 'tensor(uint8)'
    # Some exports end in shares of 1, others before.
    shape = [1 if isinstance(side, str) else side for side in pixels.shape]
    black = np.zeros(shape, np.uint8 if as_bytes else np.float32)
    answer, *_ = session.run([scores.name], {pixels.name: black})
    logits = bool((answer < 0).any() or abs(answer.sum() - 1) > 1e-3)
    return dict(input=pixels.name, video=bool(frames), frames=frames[0] if frames else 1,
                rows=rows, columns=columns, last=last, type='uint8' if as_bytes else 'float32',
                logits=logits, mean=MEAN, std=STD, classes=names, seconds_between=seconds_between)


def fetch_runtime() -> Path:
    """The folder of onnxruntime-web, installed by npm where it is not there."""
    folder = HERE / 'node_modules/onnxruntime-web/dist'
    if not folder.is_dir():
        if shutil.which('npm') is None:
            raise ValueError('npm must be installed to fetch onnxruntime-web, but is not there; '
                             'install Node.js')
        subprocess.run(['npm', 'install', '--no-package-lock', '--ignore-scripts', '--no-audit',
                        '--no-fund'], cwd=HERE, check=True, stdout=sys.stderr)
    return folder


def build(student: Path, out: Path, classes: Path | None, seconds_between: float) -> Path:
    """Fill the folder; return the file of the network that was taken."""
    small = student.with_suffix('.int8.onnx')
    taken = small if small.is_file() else student
    if not taken.is_file():
        raise ValueError(f'{student}: must be an .onnx file, but there is none; write it with '
                         'tools/export.py CHECKPOINT --to onnx')
    facts = facts_of(taken, classes, seconds_between)
    runtime = fetch_runtime()
    out.mkdir(parents=True, exist_ok=True)
    for source in (*(HERE / name for name in PAGE), *(runtime / name for name in RUNTIME)):
        shutil.copy(source, out / source.name)
    shutil.copy(taken, out / 'model.onnx')
    (out / 'model.json').write_text(json.dumps(facts, indent=1), 'utf-8')
    return taken


def main() -> int:
    args = parse_args()
    try:
        taken = build(args.student, args.out, args.classes, args.seconds_between)
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(f'{taken} -> {args.out}; see it: python -m http.server --directory {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
