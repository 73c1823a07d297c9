import json
import runpy
from pathlib import Path

from runs import command

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/benchmark_start.py'


def test_every_command_runs_to_its_first_step_and_is_timed(tmp_path):
    printed = command('python', TOOL, '--rounds', '1', '--json', tmp_path / 'start.json')
    spent = json.loads((tmp_path / 'start.json').read_text())
    assert list(spent) == ['import torch', 'import mmengine.runner', 'import amd_mm.engine',
                           'train.py --help', 'bare MMEngine, first step', 'train.py, first step']
    assert all(set(figure) == {'clock', 'processor'} and figure['processor'] > 0
               for figures in spent.values() for figure in figures)
    assert 'train.py, first step / bare MMEngine, first step' in printed


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
