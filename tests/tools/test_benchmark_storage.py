"""The three ways to a sample are run, and told as shares of the first."""
import re
import runpy
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools/analysis_tools'


def test_three_ways_are_compared(capsys):
    pytest.importorskip('fsspec')
    tool = runpy.run_path(str(TOOLS / 'benchmark_storage.py'))
    assert tool['main'](['--pictures', '4', '--size', '16', '--workers', '1']) == 0
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split(': ')[0] for line in lines] == [
        'files', 'shard', 'memory://benchmark/shard.tar']
    speeds = [re.search(r': (\d+) samples/s, ([\d.]+) of files \(1 workers\)', line).groups()
              for line in lines]
    assert speeds[0][1] == '1.00' and all(int(speed) > 0 for speed, _ in speeds)
