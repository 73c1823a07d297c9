"""Pieces of a page hold text, not markup."""
from amd_mm.report.html import duration, paragraph, picture, short, table


def test_text_is_escaped_and_pictures_are_inside():
    assert paragraph('a<b', 'trap') == '<p class="trap">a&lt;b</p>'
    assert '<th scope="row">&lt;a&gt;<td>&lt;1&gt;</table>' in table([('<a>', '<1>')])
    assert picture(b'\x89PNG', '"') == '<img alt="&quot;" src="data:image/png;base64,iVBORw==">'


def test_numbers_and_times():
    assert [short(n) for n in (12, 1.5e3, 2e9)] == ['12', '1.5 k', '2 G']
    assert [duration(n) for n in (1.5, 119, 120, 7200, 3 * 86400)] == [
        '1.5 seconds', '119 seconds', '2 minutes', '2 hours', '3 days']
