"""Curves of runs that were killed and resumed."""
from amd_mm.report import read_scalars


def test_starts_are_joined_and_broken_lines_left_out(tmp_path):
    for start, text in (('1', '{"loss": 3.0, "step": 1}\n{"loss": 2.0, "step": 2}\n{"lo'),
                        ('2', '{"loss": 1.5, "step": 2}\n{"loss": NaN, "lr": 1, "step": 3}\n')):
        (tmp_path / start / 'vis_data').mkdir(parents=True)
        (tmp_path / start / 'vis_data/scalars.json').write_text(text)
    assert read_scalars(tmp_path) == dict(loss=[(1, 3.0), (2, 1.5)], lr=[(3, 1.0)])
