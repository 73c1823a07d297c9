import re
import runpy
from pathlib import Path

import pytest

from amd_mm.resolved_config import REGISTRIES

DOCS = Path(__file__).parents[1] / 'docs'


@pytest.fixture(scope='module')
def page() -> str:
    return runpy.run_path(str(DOCS / 'make_api.py'))['page']()


def test_the_committed_page_is_what_the_script_makes(page):
    assert (DOCS / 'api.md').read_text() == page, 'run python docs/make_api.py'


def test_every_registered_part_is_public_and_every_name_is_listed_once(page):
    names = re.findall(r'^- `(\w+)', page, re.MULTILINE)
    assert len(names) == len(set(names))
    for registry in REGISTRIES:
        registry.import_from_location()
        assert set(registry.module_dict) <= set(names)


def test_an_entry_has_the_arguments_and_the_first_sentence(page):
    assert ('- `FeatureAlignmentLoss(distance, normalize, loss_weight)`: '
            'Mean distance of features, computed in float32.\n') in page
    assert '- `MODELS`: Registry\n' in page
    # What a host's class decides, and what is too long for a line.
    assert '- `LoadableEncoder`: ' in page
    assert 'init_cfg=...)`' in page
