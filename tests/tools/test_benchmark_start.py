import runpy
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_start.py'


def test_both_runs_come_to_the_end_of_their_first_step(tmp_path):
    tool = runpy.run_path(str(TOOL))
    timed = tool['commands'](tmp_path)
    for title in ('bare MMEngine, first step', 'train.py, first step'):
        assert tool['spend'](timed[title], tmp_path).processor > 0
    # A run that ends by itself leaves a checkpoint.
    assert list(tmp_path.glob('*/*/*.log')) and not list(tmp_path.glob('*/*.pth'))
    with pytest.raises(RuntimeError, match='nowhere.py failed'):
        tool['spend'](['nowhere.py'], tmp_path)


def test_ratios_are_of_the_same_turn():
    tool = runpy.run_path(str(TOOL))
    spent = {title: [tool['Spent'](*figure) for figure in figures] for title, figures in {
        'import torch': [(1., 1.), (2., 1.)], 'train.py --help': [(.5, .2), (.5, .4)],
        'import mmengine.runner': [(2., 2.)] * 2, 'import amd_mm.engine': [(3., 4.)] * 2,
        'bare MMEngine, first step': [(2., 4.), (4., 4.)],
        'train.py, first step': [(4., 6.), (4., 7.)]}.items()}
    found = tool['ratios'](spent)
    assert found['train.py --help / import torch'] == [(.5, .2), (.25, .4)]
    assert found['train.py, first step / bare MMEngine, first step'] == [(2., 1.5), (1., 1.75)]
    assert tool['row']('a', [tool['Spent'](1., 2.), tool['Spent'](3., 4.)], ' s').split() == [
        'a', '2.00', 's', '(1.00', 'to', '3.00)', '3.00', 's', '(2.00', 'to', '4.00)']
