"""Evaluates a checkpoint as its config describes. Never goes on from an earlier run by itself."""
import sys
from collections.abc import Sequence

# Importing amd_mm before a config is read makes its `_base_` work across packages.
from amd_mm.arguments import new_file, run_parser
from amd_mm.failures import command


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = run_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dump', type=new_file, metavar='FILE.pkl',
                        help='file for all predictions')
    args = parser.parse_args(argv)
    if args.dump and args.dump.suffix not in ('.pkl', '.pickle'):
        parser.error(f'--dump must be a file of the ending .pkl, got {args.dump}')

    # After the arguments: --help and a wrong one need not wait for torch and the hosts.
    from mmengine.evaluator import DumpResults

    from amd_mm.command_line import read_run_config
    from amd_mm.config_values import require
    from amd_mm.console import Console
    from amd_mm.engine import (
        CompleteCheckpointHook,
        ConsoleHook,
        build_runner,
        check_places,
        fit_to_machine,
    )

    cfg = read_run_config(args)
    require(cfg, 'model', 'test_dataloader', 'test_cfg', 'test_evaluator')
    check_places(cfg, ['test'])
    cfg.load_from = args.checkpoint
    cfg.resume = False
    changes = fit_to_machine(cfg, args.cfg_options)
    with Console() as console:
        runner = build_runner(cfg)
        runner.register_hook(CompleteCheckpointHook())
        runner.register_hook(ConsoleHook(console, changes))
        if args.dump:
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=str(args.dump)))
        runner.test()


if __name__ == '__main__':
    sys.exit(main())
