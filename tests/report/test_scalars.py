"""Curves of runs that were killed and resumed."""
from amd_mm.report import read_scalars
from amd_mm.report.scalars import write_csv


def test_starts_are_joined_and_broken_lines_left_out(tmp_path):
    for start, text in (
            ('1', '{"loss": 3.0, "iter": 1, "step": 1}\n{"loss": 2.0, "iter": 2, "step": 2}\n{"lo'),
            ('2', '{"loss": 1.5, "iter": 2, "step": 2}\n{"acc": 0.5, "step": 1}\n'
                  '{"loss": NaN, "lr": 1, "iter": 3, "step": 3}\n')):
        (tmp_path / start / 'vis_data').mkdir(parents=True)
        (tmp_path / start / 'vis_data/scalars.json').write_text(text)
    curves = read_scalars(tmp_path)
    assert curves.updates == dict(loss=[(1, 3.0), (2, 1.5)], lr=[(3, 1.0)])
    assert curves.epochs == dict(acc=[(1, .5)]) and [*curves.all] == ['loss', 'lr', 'acc']


def test_curves_as_lines(tmp_path):
    write_csv(tmp_path / 'a.csv', {'run, 1': {'loss': [(1, 3.0)]}})
    assert (tmp_path / 'a.csv').read_text().splitlines() == [
        'run,curve,step,value', '"run, 1",loss,1,3.0']
