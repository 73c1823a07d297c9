"""What a study file may say, and how it is refused."""
from pathlib import Path

import pytest

from amd_mm.studies import read_study

REPO = Path(__file__).parents[2]
SMALL = """
pretrainings = dict(teacher='a.py', amd=dict(config='a.py', teacher='teacher'))
evaluations = dict(top1=dict(config='b.py', metric='acc/top1'))
arms = dict(scratch=None, amd='amd')
splits = dict(val={})
"""


@pytest.fixture
def write(tmp_path):
    for name in 'ab':
        (tmp_path / f'{name}.py').write_text('x = 1\n')

    def write(text):
        path = tmp_path / 'study.py'
        path.write_text(text)
        return path

    return write


def test_short_forms_and_chains(write, tmp_path):
    study = read_study(write(SMALL))
    assert study.pretrainings['teacher'].config == tmp_path / 'a.py'
    assert study.chain('amd') == ['teacher', 'amd']
    assert study.arms['scratch'].start is None
    assert study.arms['amd'].start == 'amd'
    assert study.config_of('amd', 'top1') == tmp_path / 'b.py'


@pytest.mark.parametrize('change, words', [
    (('arms', 'armes'), 'must have only .*got armes'),
    (("amd='amd'", "amd='adm'"), 'start of arm amd must be a pre-training .*got adm'),
    (("'b.py'", "'c.py'"), r'must be files, relative to the study, got c\.py'),
    (("teacher='a.py'", "teacher=dict(config='a.py', teacher='amd')"), 'in a circle'),
    (("teacher='teacher'", "teacher='large'"), 'a teacher must be a pre-training .*got large'),
    (("metric='acc/top1'", "metrics='x'"), r'evaluations\.top1 must have only .*got metrics'),
    ((", metric='acc/top1'", ''), "top1 is not whole: .*'metric'"),
    (('splits = dict(val={})', 'splits = dict()'), 'must have arms, evaluations and splits'),
    (('splits', "compare = [('amd', 'x')]\nsplits"), 'compare must be an arm of the study.*got x'),
    (('splits', "compare = [('amd', )]\nsplits"), r"pairs of arms, got \('amd',\)"),
])
def test_what_does_not_fit_is_refused(write, change, words):
    with pytest.raises(ValueError, match=f'(?s)Study .*study.py: .*{words}'):
        read_study(write(SMALL.replace(*change)))


def test_a_part_has_its_rows_and_the_comparisons_among_them(write):
    study = read_study(write(SMALL.replace("amd='amd')", "amd='amd', teacher='teacher')") + """
compare = [('amd', 'scratch'), ('amd', 'teacher')]
"""))
    part = study.of_arms(['amd', 'scratch'])
    assert list(part.arms) == ['scratch', 'amd']  # the table's order, not the caller's
    assert part.compare == (('amd', 'scratch'), )
    assert part.pretrainings == study.pretrainings  # the teacher is needed all the same
    with pytest.raises(ValueError, match='among scratch, amd, teacher, got adm'):
        study.of_arms(['adm', 'scratch'])


def test_a_part_is_judged_in_the_ways_asked_for(write):
    study = read_study(write(SMALL.replace("'acc/top1'", '''
    'acc/top1'), probe=dict(config='b.py', metric='acc/top1'), knn=dict(
    config='b.py', metric='acc/top1', train=False''')))
    part = study.of_evaluations(['knn', 'top1'])
    assert list(part.evaluations) == ['top1', 'knn']
    assert part.arms == study.arms
    with pytest.raises(ValueError, match='Evaluations .*among top1, probe, knn, got acc'):
        study.of_evaluations(['acc'])


@pytest.mark.parametrize('path', sorted((REPO / 'tools/studies').glob('*.py')),
                         ids=lambda path: path.stem)
def test_our_studies_can_be_read(path):
    study = read_study(path)
    assert {'val', 'test'} <= set(study.splits)
    assert study.compare
    # The row that could embarrass: from random weights.
    assert any(arm.start is None for arm in study.arms.values())
