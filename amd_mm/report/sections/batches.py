"""The first and the last batch."""
from amd_mm.report.html import beside, paragraph, picture
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves


def show(record: Record, curves: Curves) -> str:
    """Some samples of both, as the network gets them."""
    parts = []
    for name in ('first', 'last'):
        known = record.read(f'{name}_batch')
        content = record.picture(known['picture']) if known else None
        if content is not None:
            parts.append(f'<h3>{known["title"]}</h3>' + paragraph(known['text'])
                         + picture(content, known['title']))
    return beside(parts) if parts else ''
