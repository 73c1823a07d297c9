"""What pages say of the repository is there: files, headings, pictures."""
import re
from pathlib import Path

import pytest

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
