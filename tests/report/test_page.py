"""A page that needs no other file."""
from amd_mm.report import write_page


def test_page_is_whole_and_titles_are_text(tmp_path):
    write_page(tmp_path / 'report/index.html', 'a<b', {'x & y': '<p>in</p>'})
    page = (tmp_path / 'report/index.html').read_text()
    assert '<h1>a&lt;b</h1><nav><a href="#x-y">x &amp; y</a> </nav>' in page
    assert '<h2 id="x-y">x &amp; y</h2><p>in</p></html>' in page
    assert 'http' not in page
    assert [file.name for file in (tmp_path / 'report').iterdir()] == ['index.html']
