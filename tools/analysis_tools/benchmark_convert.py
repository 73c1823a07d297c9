"""Measures speed and peak memory of converting a file of a ViT-L's size, made on the spot.

Every conversion runs in a process of its own, importing included. Its peak memory is the
largest resident size, mapped pages of the source among it. Disk time is what copying the
source with fsync takes.

Example:
    python tools/analysis_tools/benchmark_convert.py --dir /tmp
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amd_mm.arguments import existing_folder, parse_first
from amd_mm.failures import command

CONVERT = Path(__file__).parents[1] / 'convert_checkpoint.py'
# Reported by wait4 for the child alone; in KiB on Linux, in bytes on macOS.
UNIT = 1 if sys.platform == 'darwin' else 1024


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--dir', type=existing_folder,
                        help='where to make the files (default: temporary)')
    return parser.parse_args()


parse_first(__name__, parse_args)

import torch

from amd_mm.checkpoints.layouts import LAYOUTS
from amd_mm.checkpoints.matching import spell

WIDTH, DEPTH = 1024, 24


def vit_large(modality: str) -> dict[str, torch.Tensor]:
    """Canonical random weights of a ViT-L/16."""
    video = modality == 'video'
    shapes = {'encoder.patch.weight': (WIDTH, 3, *((2, 16, 16) if video else (16, 16))),
              'encoder.patch.bias': (WIDTH,)}
    if not video:
        shapes |= {'encoder.cls_token': (1, 1, WIDTH), 'encoder.pos_embed': (1, 197, WIDTH)}
    sizes = {'norm1.weight': (WIDTH,), 'norm1.bias': (WIDTH,), 'norm2.weight': (WIDTH,),
             'norm2.bias': (WIDTH,), 'qkv.weight': (3 * WIDTH, WIDTH),
             'proj.weight': (WIDTH, WIDTH), 'proj.bias': (WIDTH,),
             'fc1.weight': (4 * WIDTH, WIDTH), 'fc1.bias': (4 * WIDTH,),
             'fc2.weight': (WIDTH, 4 * WIDTH), 'fc2.bias': (WIDTH,)}
    sizes |= {'q_bias': (WIDTH,), 'v_bias': (WIDTH,)} if video else {'qkv.bias': (3 * WIDTH,)}
    for index in range(DEPTH):
        shapes |= {f'encoder.blocks.{index}.{name}': size for name, size in sizes.items()}
    shapes |= {'encoder.norm.weight': (WIDTH,), 'encoder.norm.bias': (WIDTH,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def measure(source: Path, destination: Path, target: str) -> tuple[float, float, float]:
    """Seconds, seconds of processor time and peak bytes of one conversion."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, CONVERT, source, destination, '--to', target],
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f'converting {source} to {target} failed')
    seconds = time.perf_counter() - start
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * UNIT


def copying(source: Path, destination: Path) -> float:
    """Seconds of a plain copy that reaches the disk."""
    start = time.perf_counter()
    with source.open('rb') as reader, destination.open('wb') as writer:
        shutil.copyfileobj(reader, writer, 1 << 22)
        os.fsync(writer.fileno())
    return time.perf_counter() - start


@command
def main() -> None:
    args = parse_args()
    print(f'{"from":<13} {"to":<13} {"GB":>5} {"seconds":>8} {"cpu s":>6} {"copy s":>6} '
          f'{"peak GB":>8} {"peak/file":>9}')
    for name, targets in (('videomae', ('amd_mm', 'videomae', 'transformers')),
                          ('mae', ('amd_mm', 'timm', 'transformers'))):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            source = Path(folder) / 'source.pth'
            layout = next(layout for layout in LAYOUTS if layout.name == name)
            torch.save({'model': spell(vit_large(layout.modality), layout)[0]}, source)
            size = source.stat().st_size
            conversions = [(name, source, target) for target in targets]
            conversions.append(('transformers', Path(folder) / 'to_transformers', 'amd_mm'))
            for origin, path, target in conversions:
                copied = copying(source, Path(folder) / 'copy')
                destination = Path(folder) / f'from_{origin}' if path != source else (
                    Path(folder) / f'to_{target}')
                seconds, cpu, peak = measure(path, destination, target)
                print(f'{origin:<13} {target:<13} {size / 1e9:5.2f} {seconds:8.1f} {cpu:6.1f} '
                      f'{copied:6.1f} {peak / 1e9:8.2f} {peak / size:9.2f}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
