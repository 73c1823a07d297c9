"""What a run has left, and what to type next."""
from html import escape

from amd_mm.report.html import paragraph
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves


def show(record: Record, curves: Curves) -> str:
    """The exported encoder and three commands."""
    known = record.read('next')
    if not known:
        return ''
    text = ''
    if known.get('file'):
        text = (f'<p><a href="../{escape(known["file"])}">{escape(known["file"])}</a> '
                f'({known["bytes"] / 1e6:.3g} MB) is the encoder alone, as of update '
                f'{known["update"]:,}; <a href="../{escape(known["file"])}.md">its model card</a>.'
                '</p>')
    for title, command in known['commands']:
        text += paragraph(title) + f'<pre>{escape(command)}</pre>'
    return text
