"""Times students where they run: by runtime, precision and batch, and from file to answer.

Every checkpoint (name the teacher too) is exported for each runtime in a temporary folder, and all
of them are timed in alternating turns of one run, so that what else the machine does meets all
alike. Memory is the peak of a process of its own that opens the file and runs it, with nothing but
the runtime for exported files. With --beside, networks of the same sizes of timm and Transformers
(random weights, in torch) take part.

Rows that need a GPU are measured where there is one, else printed as `not measured`.

Example:
    python tools/analysis_tools/benchmark_inference.py student.pth teacher.pth --inputs videos/ \
        --batch-size 1 8 --threads 1 --rounds 20
    python tools/analysis_tools/benchmark_inference.py student.pth --inputs videos/ \
        --stages clip.mp4
"""
import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from amd_mm.arguments import new_file, number
from amd_mm.failures import command

RUNTIMES = ('eager', 'compiled', 'pt2', 'onnx', 'onnx-int8', 'onnx-int8-dynamic', 'openvino',
            'openvino-bf16', 'openvino-int8')
GPU = ('cuda-eager', 'cuda-graphs', 'tensorrt')


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoints', nargs='+', metavar='checkpoint',
                        help='as tools/export.py takes them; the first is the one to compare with')
    parser.add_argument('--inputs', required=True, metavar='FOLDER',
                        help='real pictures or videos, to time, compare and calibrate with')
    parser.add_argument('--runtimes', nargs='+', choices=(*RUNTIMES, *GPU),
                        default=(*RUNTIMES, *GPU), metavar='NAME',
                        help=f'of {", ".join((*RUNTIMES, *GPU))} (default: all)')
    parser.add_argument('--batch-size', nargs='+', type=number(least=1), default=[1])
    parser.add_argument('--threads', type=number(least=1), default=1)
    parser.add_argument('--rounds', type=number(least=2), default=20,
                        help='turns of each, after one that is not counted (default 20)')
    parser.add_argument('--beside', action='store_true',
                        help='also the same sizes of timm and Transformers')
    parser.add_argument('--stages', metavar='VIDEO',
                        help='also the seconds of decoding, preparing and computing for this '
                        'video, window after window, and what an hour of it would take')
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write all of it there')
    return parser.parse_args(argv)


def table(rows: list[dict]) -> list[str]:
    """The figures in Markdown, with the ratio of processor time to the first of a batch."""
    first = {row['batch']: row['computing'] for row in reversed(rows) if row['computing']}
    lines = ['| network | runtime | batch | median ms | 95 % ms | processor ms | inputs/s of '
             'processor | against the first | equal decisions | peak MiB | file MB |',
             '|' + '---|' * 11]
    for row in rows:
        if row.get('median') is None:
            lines.append(f'| {row["network"]} | {row["runtime"]} | {row["batch"]} | '
                         f'not measured ({row["why"]}) |' + ' |' * 7)
            continue
        shown = [row['network'], row['runtime'], row['batch'], f'{1000 * row["median"]:.2f}',
                 f'{1000 * row["most"]:.2f}', f'{1000 * row["computing"]:.2f}',
                 f'{row["batch"] / row["computing"]:.1f}',
                 f'{first[row["batch"]] / row["computing"]:.2f} x',
                 '' if row['equal'] is None else f'{100 * row["equal"]:.1f} %',
                 '' if row['memory'] is None else f'{row["memory"]:.0f}',
                 '' if row['megabytes'] is None else f'{row["megabytes"]:.2f}']
        lines.append('| ' + ' | '.join(map(str, shown)) + ' |')
    return lines


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    # After the arguments: --help and a wrong one need not wait for torch and the hosts.
    import torch

    from amd_mm.deploy import Wish, read_subject, some_files
    from amd_mm.deploy.timing import Contestant, contestants, measure, relatives, stages

    torch.set_num_threads(args.threads)
    subjects = [read_subject(path, Wish()) for path in args.checkpoints]
    if len({subject.is_video for subject in subjects}) > 1:
        raise ValueError('checkpoints: must all be of pictures, or all of videos, got both; time '
                         'them in two runs')
    files = some_files(args.inputs, subjects[0], max(8, *args.batch_size))
    with tempfile.TemporaryDirectory() as folder:
        found: list[Contestant] = []
        for count, (path, subject) in enumerate(zip(args.checkpoints, subjects, strict=True)):
            # Work dirs tell apart what is called epoch_50.pth in all of them.
            name = '/'.join(Path(path).with_suffix('').parts[-2:])
            found += contestants(name, subject, args.runtimes, files, args.threads,
                                 Path(folder, str(count)))
            if args.beside:
                found += relatives(subject, files)
        rows = measure(found, args.batch_size, args.rounds)
        print(f'{args.threads} threads, {args.rounds} alternating turns, torch '
              f'{torch.__version__}')
        print('\n'.join(table(rows)))
        report = dict(threads=args.threads, rounds=args.rounds, rows=rows)
        if args.stages is not None:
            report['stages'] = stages(found, Path(args.stages), args.threads)
            for line in _stage_lines(report['stages']):
                print(line)
    if args.json is not None:
        args.json.write_text(json.dumps(report, indent=1))


def _stage_lines(found: dict) -> list[str]:
    seconds = found['seconds']
    lines = [f'{found["video"]}: {seconds:.1f} s of video, {found["windows"]} windows, '
             f'{found["repeats"]} passes; seconds of the processor, and for an hour extrapolated '
             f'from that:', '| network | runtime | decode | prepare | network | an hour: decode | '
             'prepare | network | together |', '|' + '---|' * 9]
    for row in found['rows']:
        parts = [statistics.median(row[stage]) for stage in ('decode', 'prepare', 'network')]
        hour = [3600 / seconds * part for part in parts]
        lines.append(f'| {row["name"]} | {row["runtime"]} | ' + ' | '.join(
            [f'{part:.3f}' for part in parts] + [f'{part:.0f}' for part in (*hour, sum(hour))])
            + ' |')
    return lines


if __name__ == '__main__':
    sys.exit(main())
