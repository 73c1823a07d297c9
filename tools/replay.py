"""Goes again through a batch that a run kept when its numbers went wrong, in one process."""
import argparse
import sys

from mmengine.config import Config
from mmengine.registry import MODELS

import amd_mm.models  # noqa: F401 (registers its parts)
from amd_mm.command_line import device
from amd_mm.engine.faults import read_fault, replay, sample_names
from amd_mm.failures import command


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', help='WORK_DIR/faults/iter_N_rank_R.pth')
    parser.add_argument('--device', type=device, default='cpu',
                        help='cpu (default), cuda, cuda:1, ...')
    parser.add_argument('--trust', action='store_true',
                        help='let the file run code; some annotations cannot be read otherwise')
    return parser.parse_args()


@command
def main() -> None:
    args = parse_args()
    fault = read_fault(args.file, args.trust)
    print(f'Update {fault["iteration"]} (epoch {fault["epoch"]}), process {fault["process"]} of '
          f'{fault["processes"]}: {fault["reason"]}.\n{fault["finding"]}.')
    config = Config.fromstring(fault['config'], '.py')
    model = MODELS.build(config.model).to(args.device)
    model.load_state_dict(fault['state_dict'])
    model.train()
    for place, batch in enumerate(fault['batches']):
        again = replay(model, batch)
        print(f'Batch {place}, {len(sample_names(batch.data))} samples:')
        for name, value in again.losses.items():
            print(f'  {name}: {value!r}, in the run {float(batch.losses[name])!r}')
        print(f'  not finite: {again.finding or "nothing"}\n  largest: {again.largest}')


if __name__ == '__main__':
    sys.exit(main())
