"""What pages say of the repository is there: files, headings, pictures."""
import re
from pathlib import Path
from textwrap import dedent

import pytest

from amd_mm.command_line import read_config_file
from amd_mm.config_keys import check_keys

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md'),
                 *(ROOT / 'configs').rglob('*.md')))


def without_code(text: str) -> str:
    return re.sub(r'^```.*?^```$', '', text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names that GitHub gives the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', without_code(page.read_text()), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_to_files_and_headings(page):
    path = ROOT / page
    for link in re.findall(r'\]\(([^)\s]+)\)', without_code(path.read_text())):
        if '://' in link:
            continue
        name, _, heading = link.partition('#')
        target = (path.parent / name).resolve() if name else path
        assert target.is_relative_to(ROOT) and target.exists(), link
        assert not heading or heading in anchors(target), link


def test_every_page_of_docs_is_in_the_index():
    index = (ROOT / 'docs/index.md').read_text()
    pages = {page.removeprefix('docs/') for page in PAGES if page.startswith('docs/')}
    assert {page for page in pages - {'index.md'} if f']({page}' not in index} == set()


def test_the_readme_fits_on_two_screens():
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 120


def configs_of(page: str) -> list[str]:
    """The configs that stand on a page, whole."""
    text = (ROOT / page).read_text()
    blocks = re.findall(r'^ *```python\n(.*?)^ *```$', text, re.MULTILINE | re.DOTALL)
    return [block for block in map(dedent, blocks) if block.startswith('_base_ = [')]


@pytest.mark.parametrize('page', [
    'README.md', 'docs/training.md', 'docs/tutorials/boxes.md', 'docs/tutorials/pictures.md',
    'docs/tutorials/videos.md'])
def test_configs_on_pages_are_read(page, tmp_path):
    assert configs_of(page)
    for number, text in enumerate(configs_of(page)):
        path = tmp_path / f'{number}.py'
        path.write_text(text)
        check_keys(read_config_file(path))


def test_the_config_of_the_page_of_own_parts_is_the_example():
    text, = configs_of('docs/custom.md')
    # The example has a mask strategy besides.
    example = (ROOT / 'examples/own_parts/my_config.py').read_text()
    assert set(text.splitlines()[:3]) <= set(example.splitlines())
