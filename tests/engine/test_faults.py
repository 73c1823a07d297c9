import re
from pathlib import Path

import pytest
import torch
from runs import command, run, spoilt_config, weights

from amd_mm.engine.faults import read_fault

TOOL = Path(__file__).parents[2] / 'tools' / 'replay.py'


@pytest.mark.parametrize('factor, way, jump', [('1000', 'forward', None), ('40', 'backward', 5)])
def test_a_replay_gives_the_same_number(tmp_path, factor, way, jump):
    cfg = spoilt_config(tmp_path, [3], factor, way, size=16, max_jump=jump, window=1)
    with pytest.raises(FloatingPointError, match='replay.py') as error:
        run(cfg)
    file, = (tmp_path / 'faults').iterdir()
    assert str(file) in str(error.value)
    printed = command('python', TOOL, file)
    pairs = re.findall(r'loss\w*: (\S+), in the run (\S+)', printed)
    assert len(pairs) == 3 and all(one == other for one, other in pairs), printed
    assert ('times the median' in printed) == (jump is not None)
    assert re.search(r'not finite: net\.1 \(Cliff\)' if jump is None else 'not finite: nothing',
                     printed)
    # The weights are those before the update.
    fault = read_fault(file)
    before = f'iter_{fault["iteration"] - 1}.pth'
    torch.testing.assert_close(
        dict(fault['state_dict']), dict(weights(cfg, before)), rtol=0, atol=0)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Runs:
        def __reduce__(self):
            return print, ('run',)

    torch.save(dict(format=1, batches=[Runs()]), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='if you trust whoever'):
        read_fault(tmp_path / 'other.pth')
    torch.save(dict(weights=torch.zeros(1)), tmp_path / 'weights.pth')
    with pytest.raises(ValueError, match='to its faults folder'):
        read_fault(tmp_path / 'weights.pth')
