"""Write the tables of docs/evidence.md: ``python docs/make_evidence.py``.

Each ``docs/evidence/NAME.json`` is what ``tools/study.py`` left as ``study.json``. Its table comes
between ``<!-- NAME.json -->`` and ``<!-- end -->``, its pictures are docs/pictures/NAME_*.png.
"""
import json
import re
from pathlib import Path

from amd_mm.studies import draw, judged_by, markdown

DOCS = Path(__file__).parent
PAGE = DOCS / 'evidence.md'
TABLE = re.compile(r'(<!-- (\w+)\.json -->\n).*?(<!-- end -->)', re.DOTALL)


def page() -> str:
    """The page with its tables made anew."""
    def table(match: re.Match) -> str:
        results = json.loads((DOCS / f'evidence/{match[2]}.json').read_text())
        return f'{match[1]}\n{markdown(results)}{match[3]}'
    return TABLE.sub(table, PAGE.read_text())


def main() -> None:
    """Write the page and draw its pictures."""
    PAGE.write_text(page())
    for path in sorted((DOCS / 'evidence').glob('*.json')):
        results = json.loads(path.read_text())
        for name in judged_by(results):
            draw(results, name, DOCS / f'pictures/{path.stem}_{name}.png')


if __name__ == '__main__':
    main()
