"""Reconstructions and features, at some of the checkpoints."""
from amd_mm.report.html import beside, paragraph, picture
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves


def show_reconstructions(record: Record, curves: Curves) -> str:
    """The same samples with the same masks, by the student of the time."""
    return _series(record, 'reconstructions', 'masks and reconstruction')


def show_colours(record: Record, curves: Curves) -> str:
    """Main directions of patch features as red, green and blue."""
    return _series(record, 'colours', 'patch features as colours')


def _series(record: Record, name: str, what: str) -> str:
    points = record.points(name)
    parts = []
    for point in points:
        content = record.picture(point['picture'])
        if content is not None:
            parts.append(f'<h3>Update {point["update"]:,}</h3>{picture(content, what)}')
    return paragraph(points[-1]['text']) + beside(parts) if parts else ''
