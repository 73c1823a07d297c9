"""A page at every checkpoint, and training that does not notice."""
import pytest
import torch
from noise_runs import CLIP, IMAGE, train

from amd_mm.engine import ReportHook
from amd_mm.engine.hooks import report_hook

HOOK = dict(type='amd_mm.ReportHook', num_samples=2)


@pytest.mark.parametrize('case', [IMAGE, CLIP], ids=['image', 'clip'])
def test_page_and_weights_that_are_the_same_to_the_last_bit(tmp_path, case):
    states = [train(tmp_path / str(len(hooks)), hooks=hooks, **case).model.state_dict()
              for hooks in ([], [HOOK])]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
    page = (tmp_path / '1/report/index.html').read_text()
    assert ', update 4</h1>' in page and '<td>decoder<td>' in page and '>loss</text>' in page
    assert [page.count(f'<h3>Update {n}</h3><img') for n in (1, 2, 3, 4)] == [0, 1, 0, 1]
    assert 'Not shown' not in page and 'src="http' not in page


def test_a_part_that_fails_is_named_and_the_rest_is_there(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError('no <memory>')
    monkeypatch.setattr(report_hook, 'reconstruct', fail)
    runner = train(tmp_path, hooks=[HOOK], **IMAGE)
    page = (tmp_path / 'report/index.html').read_text()
    assert runner.iter == 4
    assert '<p>Not shown: no &lt;memory&gt;</p>' in page and '>loss</text>' in page


@pytest.mark.parametrize('name', ['num_samples', 'num_strips'])
def test_numbers_are_checked(name):
    with pytest.raises(ValueError, match=f'{name} of ReportHook .* at least 1, got 0'):
        ReportHook(**{name: 0})
