"""Draws what a pre-trained student makes of pictures or clips.

For each input a strip NAME.png: the input, what the student sees of it, what the teacher sees
(where that is more) and the reconstruction. For clips rows are these views and columns are
frames, and NAME.gif shows them moving. Runs on the CPU and needs no teacher.

Inputs are resized and cropped in the middle. A clip that is too short repeats its last strided
frame, a picture without colour gets three equal channels, and both are said. A file that cannot
be read is reported, the others are done, and the exit status is 2.
"""
import argparse
import sys
from collections import Counter
from pathlib import Path

from amd_mm.arguments import add_config_arguments, parse_first
from amd_mm.failures import USER_ERROR, command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser, 'pre-training config')
    parser.add_argument('checkpoint', help='checkpoint of that pre-training')
    parser.add_argument('inputs', nargs='+', type=Path, metavar='input',
                        help='pictures or videos, as the config trains on')
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument('--seed', type=int, default=0, help='of the masks (default: 0)')
    parser.add_argument('--max-frames', type=int, default=8,
                        help='frames of a clip in the strip, evenly spaced (default: 8)')
    parser.add_argument('--frame-interval', type=int,
                        help="from one frame of a clip to the next (default: the config's)")
    args = parser.parse_args()
    for name in ('max_frames', 'frame_interval'):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            parser.error(f'--{name.replace("_", "-")} must be at least 1, got '
                         f'{getattr(args, name)}')
    return args


parse_first(__name__, parse_args)

from PIL import Image

# Before any config is read: it makes `_base_` work across packages, and mends the hosts.
import amd_mm  # noqa: F401
from amd_mm.command_line import read_config
from amd_mm.datasets.files import printable
from amd_mm.inference import (
    Input,
    batch_of,
    build_student,
    fixed_keys,
    frame_interval_of,
    load_student,
    read_clip,
    read_image,
    reconstruct,
)
from amd_mm.models import MaskedAutoencoder
from amd_mm.visualization import describe, draw_frames, draw_strip, reconstruction_views, write_gif


def prepare(args: argparse.Namespace) -> tuple[MaskedAutoencoder, int]:
    """The student, and from how many frames of a video one is taken."""
    config = read_config(args)
    model = build_student(config)
    load_student(model, args.checkpoint)
    return model, args.frame_interval or frame_interval_of(config.get('train_dataloader'))


def draw(model: MaskedAutoencoder, item: Input, args: argparse.Namespace,
         place: int, name: str) -> list[Path]:
    """Write the pictures of one input.

    Args:
        model: The student.
        item: The input.
        args: Of the command line.
        place: Number of the input, on which its mask hangs.
        name: Of the files, without an ending.

    Returns:
        The files.
    """
    samples = fixed_keys(place + 1, args.seed)[-1:]
    batch = batch_of(item, model.data_preprocessor, model.backbone.architecture.channels)
    made = reconstruct(model, batch, samples)
    views = reconstruction_views(*made, model.backbone.grid)
    caption = describe(model)
    files = [args.out / f'{name}.png']
    Image.fromarray(draw_strip(views, caption, args.max_frames)).save(files[0])
    if model.backbone.grid.is_video:
        files.append(args.out / f'{name}.gif')
        write_gif(draw_frames(views, caption), files[1], item.fps)
    return files


@command
def main() -> int:
    args = parse_args()
    model, interval = prepare(args)
    args.out.mkdir(parents=True, exist_ok=True)
    grid = model.backbone.grid
    names: Counter[str] = Counter()
    failed = 0
    for place, path in enumerate(args.inputs):
        try:
            item = (read_clip(path, grid.input_size, interval) if grid.is_video
                    else read_image(path, grid.input_size))
        except ValueError as error:
            print(f'error: {error}', file=sys.stderr)
            failed += 1
            continue
        stem = printable(path.stem)
        names[stem] += 1
        # Files of the same name in several folders.
        name = stem if names[stem] == 1 else f'{stem}-{names[stem]}'
        files = draw(model, item, args, place, name)
        print(f'{printable(path)} -> {", ".join(map(printable, files))}')
        for note in item.notes:
            print(f'  {printable(path)}: {note}')
    print(describe(model))
    if failed:
        print(f'error: {failed} of {len(args.inputs)} inputs could not be read.', file=sys.stderr)
    return USER_ERROR if failed else 0


if __name__ == '__main__':
    sys.exit(main())
