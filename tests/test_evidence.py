"""The tables of docs/evidence.md are those of the numbers beside it, computed here once more."""
import json
import re
import runpy
import statistics
from pathlib import Path

import pytest
from scipy import stats

DOCS = Path(__file__).parents[1] / 'docs'
TABLES = sorted((DOCS / 'evidence').glob('*.json'))


def rows_of(name: str, evaluation: str = 'top1') -> dict[str, list[str]]:
    """First cells and the others, of all rows of an evaluation's tables on the page."""
    text = (DOCS / 'evidence.md').read_text()
    section = re.search(rf'<!-- {name}\.json -->(.*?)<!-- end -->', text, re.DOTALL)
    assert section, f'docs/evidence.md has no place for {name}.json'
    parts = re.split(r'^(\w+), percent, on \w+:$', section[1], flags=re.MULTILINE)
    tables = dict(zip(parts[1::2], parts[2::2], strict=True))
    cells = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in tables[evaluation].splitlines() if line.startswith('|')]
    return {row[0]: row[1:] for row in cells}


def test_the_page_is_what_the_script_makes():
    page = runpy.run_path(str(DOCS / 'make_evidence.py'))['page']()
    assert (DOCS / 'evidence.md').read_text() == page, 'run python docs/make_evidence.py'


@pytest.mark.parametrize('path', TABLES, ids=lambda path: path.stem)
def test_means_and_p_values_are_those_of_the_numbers(path):
    results = json.loads(path.read_text())
    seeds = len(results['seeds'])
    evaluations = {name for row in results['arms'].values() for name in row if 'cpu' not in name}
    assert evaluations
    for name in evaluations:
        rows = rows_of(path.stem, name)
        arms = {arm: row[name] for arm, row in results['arms'].items() if name in row}
        for arm, values in arms.items():
            assert len(values) == seeds and all(0 <= value <= 1 for value in values)
            assert rows[arm][:seeds] == [f'{100 * value:.1f}' for value in values]
            assert rows[arm][seeds] == f'{100 * statistics.fmean(values):.1f}'
        for first, second in results['compare'] if seeds > 1 else ():
            if first not in arms or second not in arms:  # random weights have no neighbours
                continue
            row = rows[f'{first} - {second}']
            test = stats.ttest_rel(arms[first], arms[second])
            interval = test.confidence_interval(0.95)
            assert row[1] == f'{100 * interval.low:+.1f} to {100 * interval.high:+.1f}'
            assert row[2] == f'{test.pvalue:.2g}'


def test_the_readme_says_what_the_main_study_found():
    arms = json.loads((DOCS / 'evidence/video_main.json').read_text())['arms']
    means = {arm: f'{100 * statistics.fmean(row["top1"]):.1f}' for arm, row in arms.items()}
    said = 'random weights {scratch}, VideoMAE {videomae}, AMD {amd} %'.format(**means)
    assert said in (DOCS.parent / 'README.md').read_text()


def test_the_readme_says_what_the_same_cost_brings():
    rows = rows_of('video_main')
    seeds = sum(head.startswith('seed ') for head in rows['arm'])
    lead, _, p = rows['amd - videomae_long'][:3]
    said = f'{lead.lstrip("+")} below it ({seeds} seeds, p {p})'
    assert said in (DOCS.parent / 'README.md').read_text()


def test_the_readme_says_what_the_pictures_showed():
    rows = rows_of('pictures', 'labels_10_percent')
    place = sum(head.startswith('seed ') for head in rows['arm'])
    plain, amd, scratch = (rows[arm][place] for arm in ('distil_dinov2', 'amd_dinov2', 'scratch'))
    said = f'({plain} and {amd} %, random weights {scratch})'
    assert said in (DOCS.parent / 'README.md').read_text()


def test_the_readme_says_what_the_quickstarts_study_found():
    arms = json.loads((DOCS / 'evidence/quickstart.json').read_text())['arms']
    text = (DOCS.parent / 'README.md').read_text()
    for arm, title in dict(scratch='student, random weights', videomae='student, VideoMAE',
                           amd='student, AMD', teacher='teacher, VideoMAE').items():
        percent = [100 * value for value in arms[arm]['top1']]
        cells = [f'{value:.1f}' for value in percent]
        cells.append(f'{statistics.fmean(percent):.1f} +- {statistics.stdev(percent):.1f}')
        assert f'| {title} | {" | ".join(cells)} |' in text
