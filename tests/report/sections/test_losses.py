"""Losses, and the trap of raw targets."""
import pytest
from told_runs import log, tell_pretraining

from amd_mm.report import Record, read_scalars
from amd_mm.report.sections.losses import show


@pytest.mark.parametrize('rec, raw, said, trap', [
    (1., True, 'alignment (loss_dir, loss_gen) is 2.5 times the pixel loss (1).', False),
    (.1, True, 'raw features of the teacher, and so large that the pixels do not count', True),
    (.1, False, 'The pixels hardly count: lower the loss_weight of alignment.', True),
])
def test_it_is_said_when_alignment_drowns_the_pixels(tmp_path, rec, raw, said, trap):
    html = show(tell_pretraining(tmp_path, raw, rec), read_scalars(tmp_path))
    assert said in html and ('class="trap"' in html) == trap


def test_parts_share_a_chart_and_time_has_its_own_place(tmp_path):
    record = tell_pretraining(tmp_path)
    record.add_point('taps', 10, dict(losses={'loss_dir, 1 and 2': 1.}, scale={'teacher': 7.}))
    html = show(record, read_scalars(tmp_path))
    titles = ['losses by part', 'loss', 'lr', 'grad_norm', 'loss by pair of blocks, student and '
              'teacher', "size (RMS) of the teacher&#x27;s features"]
    assert all(f'aria-label="{title}"' in html for title in titles)
    assert html.count('<svg') == len(titles) and 'not logged' not in html


def test_what_is_not_logged_is_said(tmp_path):
    assert show(Record(tmp_path), read_scalars(tmp_path)) == '<p>Nothing was logged yet.</p>'
    log(tmp_path, [dict(loss=1., iter=1, step=1), dict(acc=.5, step=1)])
    html = show(Record(tmp_path), read_scalars(tmp_path))
    assert 'The gradient norm is not logged: set optim_wrapper.clip_grad.' in html
    assert '>epoch or update 1</text>' in html
