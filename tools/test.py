"""Evaluates a checkpoint as its config describes. Never goes on from an earlier run by itself."""
import sys

from mmengine.evaluator import DumpResults

# Importing amd_mm before a config is read makes its `_base_` work across packages.
from amd_mm.command_line import read_run_config, run_parser
from amd_mm.engine import CompleteCheckpointHook, ShowOutputHook, build_runner
from amd_mm.failures import HeldOutput, command


@command
def main() -> None:
    parser = run_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--dump', metavar='FILE.pkl', help='file for all predictions')
    args = parser.parse_args()

    cfg = read_run_config(args)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    with HeldOutput() as output:
        runner = build_runner(cfg)
        runner.register_hook(CompleteCheckpointHook())
        runner.register_hook(ShowOutputHook(output.show))
        if args.dump:
            runner.test_evaluator.metrics.append(DumpResults(out_file_path=args.dump))
        runner.test()


if __name__ == '__main__':
    sys.exit(main())
