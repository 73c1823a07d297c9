"""What is called published or released stands in the table, with its source, and in the config."""
import fnmatch
import re
import runpy
from functools import cache
from typing import Any

import pytest
from mmengine.config import Config
from recipes import CONFIGS

from amd_mm.resolved_config import settings

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings the same under another name
    import tomli as tomllib

ROOT = CONFIGS.parent
TABLE = tomllib.loads((ROOT / 'tests/data/published.toml').read_text())
RECIPES = {str(path.relative_to(CONFIGS).with_suffix('')): path
           for path in sorted(CONFIGS.rglob('*.py')) if '_base_' not in path.parts}
SOURCE = re.compile(r'[\w-]+/[\w-]+@[0-9a-f]{12}:[\w./+-]+:\d+|arXiv \d{4}\.\d{5}, [\w. ]+')
CLAIM = re.compile(r'publish|releas|\bas (AMD|DMAE|MAE|VideoMAE)\b', re.IGNORECASE)
# Made from docstrings, and the page that describes the changes.
NOT_PAGES = {'docs/api.md', 'docs/make_api.py', 'docs/make_pictures.py'}
PAGES_WITH_RESULTS = (
    'configs/amd/README.md', 'configs/detection/README.md', 'configs/detection_coco/README.md',
    'configs/dmae/README.md', 'configs/finetune/README.md', 'docs/dense.md', 'docs/detection.md',
    'docs/finetuning.md', 'docs/results.md', 'docs/transfer.md')


def matching(pattern: str) -> list[str]:
    """Recipes in the pattern's own folder, without the variants of large teachers."""
    return [name for name in fnmatch.filter(RECIPES, pattern)
            if name.count('/') == pattern.count('/')]


@cache
def resolved(name: str) -> dict[str, Any]:
    """Settings of a recipe; parts in lists by their types."""
    cfg = Config.fromfile(RECIPES[name])
    found = {key: setting.value for key, setting in settings(cfg).items()}
    named = {key.removesuffix('.type'): value.rpartition('.')[2] for key, value in found.items()
             if re.search(r'\.\d+\.type$', key)}

    def readable(key: str) -> str:
        words = key.split('.')
        return '.'.join(named.get('.'.join(words[:end + 1]), word)
                        for end, word in enumerate(words))

    values = {readable(key): value for key, value in found.items()}
    if 'optim_wrapper.optimizer.lr' in values:
        rate = values['optim_wrapper.optimizer.lr']
        per_256 = 256 / cfg.global_batch_size
        ratio = values.get('param_scheduler.CosineAnnealingLR.eta_min_ratio', 0.)
        values |= {'rate per 256': rate * per_256, 'lowest rate per 256': rate * ratio * per_256}
    return values


@pytest.mark.parametrize('name', RECIPES)
def test_recipes_have_the_published_values(name):
    for row in TABLE['values']:
        if name in matching(row['recipes']):
            found, expected = resolved(name).get(row['key']), row['value']
            if expected == 'none':
                assert found is None, row
            elif isinstance(expected, list):
                assert list(found) == pytest.approx(expected), row
            else:
                assert found == (pytest.approx(expected, rel=1e-9)
                                 if isinstance(expected, float) else expected), row


def test_every_row_has_a_source_and_a_recipe():
    for row in (*TABLE['values'], *TABLE['results']):
        assert SOURCE.fullmatch(row['source']), row
    for row in TABLE['values']:
        assert matching(row['recipes']), row
    assert len({(row['recipes'], row['key']) for row in TABLE['values']}) == len(TABLE['values'])


def pages() -> list[str]:
    files = [ROOT / 'README.md', *(ROOT / 'docs').rglob('*'), *CONFIGS.rglob('*')]
    names = {str(path.relative_to(ROOT)) for path in files
             if path.suffix in ('.md', '.py', '.yml') and path.is_file()}
    return sorted(names - NOT_PAGES)


def test_every_claim_has_a_row():
    """A recipe's own claim is held by its values, any other by a row that names it."""
    claims = [(row['file'], row['says']) for row in TABLE['claims']]
    sourced = {f'configs/{name}.py' for row in TABLE['values'] for name in matching(row['recipes'])}
    without, seen = [], set()
    for page in pages():
        for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
            rows = {(file, says) for file, says in claims if file == page and says in line}
            seen |= rows
            if CLAIM.search(line) and not rows and page not in sourced:
                without.append(f'{page}:{number}: {line.strip()}')
    assert not without, 'not in tests/data/published.toml'
    assert seen == set(claims) and len(seen) == len(claims), 'rows that are on no page'


def test_results_on_the_pages_are_the_published_ones():
    known = {row['value'] for row in TABLE['results']}
    for page in PAGES_WITH_RESULTS:
        rows = [line for line in (ROOT / page).read_text().splitlines() if line.startswith('|')]
        numbers = {float(number) for line in rows
                   for number in re.findall(r'(?<![\w.])\d\d\.\d\b(?! GB)', line)}
        assert numbers <= known, page
    assert {row['value'] for row in TABLE['results']} == {
        float(number) for number in re.findall(
            r'(?<![\w.])\d\d\.\d\b', (ROOT / 'docs/results.md').read_text())} & known


def test_the_tool_of_all_transfers_compares_with_the_published_results():
    tasks = runpy.run_path(str(ROOT / 'tools/transfer_benchmark.py'))['TASKS']
    data = {'in1k-ft': 'IN1K', 'k400': 'K400', 'sthv2': 'SSv2', 'ucf101': 'UCF101',
            'hmdb51': 'HMDB51', 'ava': 'AVA', 'ava-k400': 'AVA, with Kinetics labels',
            'ade20k': 'ADE20K', 'coco': 'COCO'}
    results = {(row['data'], row['size'], row['method']): row['value'] for row in TABLE['results']
               if row['metric'] not in ('top-5', 'mask AP') and ',' not in row['method']}
    found = {(data[name], size, method): value for name, task in tasks.items()
             for size, published in task.published.items() for method, value in published.items()}
    assert found == results
