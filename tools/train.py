"""Trains what a config describes: pre-training and fine-tuning, on images and videos."""
import argparse
import sys
from collections.abc import Sequence

# Importing amd_mm before a config is read makes its `_base_` work across packages.
from amd_mm.arguments import run_parser
from amd_mm.failures import command
from amd_mm.stopping import stop_signals


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = run_parser(__doc__)
    parser.add_argument(
        '--resume', nargs='?', const='auto', metavar='auto|CHECKPOINT',
        help='go on from the newest checkpoint in the work dir, if there is one, or from this one')
    parser.add_argument('--overwrite', action='store_true',
                        help='start anew in a work dir that holds a run')
    parser.add_argument('--amp', action='store_true', help='bfloat16 autocast')
    parser.add_argument(
        '--auto-scale-lr', action='store_true',
        help='scale the learning rate by batch size x processes x accumulation over '
        'auto_scale_lr.base_batch_size of the config')
    return parser.parse_args(argv)


@command
def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    stop_signals.take()
    # After the arguments: --help and a wrong one need not wait for torch and the hosts.
    from amd_mm.command_line import enable_amp, read_run_config
    from amd_mm.engine import train

    cfg = read_run_config(args)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(
                f'--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in {args.config}: '
                'the number of samples an update that its learning rate belongs to')
        cfg.auto_scale_lr.enable = True
    if args.amp:
        enable_amp(cfg)
    train(cfg, args.resume, args.overwrite, args.cfg_options)


if __name__ == '__main__':
    sys.exit(main())
