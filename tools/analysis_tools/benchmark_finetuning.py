"""Peak memory and time of a fine-tuning step on one clip, by the host's class and by ours.

Three networks of the same weights and outputs: mmaction2's VisionTransformer,
amd_mm.VideoVisionTransformer, and the latter with recomputation. Each runs in a process of its
own: one forward and backward pass in training mode. Memory is what comes on top of the process
with its libraries, on a GPU what torch allocates: weights, gradients, activations.

Example:
    python tools/analysis_tools/benchmark_finetuning.py
    python tools/analysis_tools/benchmark_finetuning.py --width 384 --heads 6 --device cuda
"""
import argparse
import resource
import subprocess
import sys
import time

from amd_mm.arguments import device, number, parse_first
from amd_mm.failures import command

NETWORKS = {
    'host': dict(type='mmaction.VisionTransformer'),
    'ours': dict(type='amd_mm.VideoVisionTransformer'),
    'ours-recomputing': dict(type='amd_mm.VideoVisionTransformer', with_cp=True),
}


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (('size', 224), ('frames', 16), ('width', 768), ('depth', 12),
                          ('heads', 12), ('threads', 1)):
        parser.add_argument(f'--{name}', type=number(least=1), default=default)
    parser.add_argument('--device', type=device, default='cpu')
    parser.add_argument('--network', choices=list(NETWORKS), help='only this one, in this process')
    return parser.parse_args()


parse_first(__name__, parse_args)

import torch

from amd_mm.registry import MODELS

# ru_maxrss is in bytes on macOS, in KiB elsewhere.
UNIT = 1 if sys.platform == 'darwin' else 1024


def measure(args: argparse.Namespace) -> tuple[float, float]:
    """MB and seconds of a step of ``args.network`` in this process."""
    torch.set_num_threads(args.threads)
    network = dict(
        NETWORKS[args.network], img_size=args.size, num_frames=args.frames,
        embed_dims=args.width, depth=args.depth, num_heads=args.heads)
    # The first one imports the libraries.
    MODELS.build(dict(network, img_size=16, num_frames=2, depth=1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    model = MODELS.build(network).to(args.device).train()
    clip = torch.randn(1, 3, args.frames, args.size, args.size, device=args.device)
    start = time.perf_counter()
    model(clip).sum().backward()
    if args.device.startswith('cuda'):
        torch.cuda.synchronize()
        before, peak = 0, torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    return (peak - before) / 2**20, time.perf_counter() - start


@command
def main() -> None:
    args = parse_args()
    if args.network:
        print(*measure(args))
        return
    print('| network | MB | of the host | seconds |\n|---|---|---|---|')
    host = None
    for name in NETWORKS:
        output = subprocess.run([sys.executable, *sys.argv, '--network', name], check=True,
                                stdout=subprocess.PIPE, text=True).stdout
        megabytes, seconds = map(float, output.split()[-2:])
        host = host or megabytes
        print(f'| {name} | {megabytes:.0f} | {megabytes / host:.0%} | {seconds:.1f} |', flush=True)


if __name__ == '__main__':
    sys.exit(main())
