"""A short list is written, read and looked up in."""
import re
import runpy
from pathlib import Path

TOOLS = Path(__file__).parents[2] / 'tools/analysis_tools'


def test_a_short_list_is_measured(capsys):
    tool = runpy.run_path(str(TOOLS / 'benchmark_list.py'))
    assert tool['main'](['--lines', '50', '--workers', '1', '--looked-up', '20']) == 0
    said = capsys.readouterr().out
    assert said.startswith('50 lines, 0.0 MB: ')
    assert re.search(r'\d+ samples/s looked up by 1 workers; main process \d+ MiB \(PSS \d+\), '
                     r'workers PSS \d+ MiB', said)
