"""How healthy the representation is."""
from amd_mm.report.charts import draw_chart
from amd_mm.report.html import chart_row, paragraph
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curve, Curves


def show(record: Record, curves: Curves) -> str:
    """Figures of the same samples at every checkpoint."""
    points = record.points('health')
    if not points:
        return ''
    last = points[-1]
    charts = [
        draw_chart('standard deviation of features', {
            'over patches': _curve(record, 'patch_std'),
            'over samples': _curve(record, 'sample_std')}),
        draw_chart(f'effective rank, of {last["width"]}', {
            'effective rank': _curve(record, 'effective_rank')})]
    if last['cka']:
        charts.append(draw_chart('likeness to each tap of the teacher (CKA)', {
            name: [(point['update'], point['cka'][name]) for point in points
                   if name in point['cka']] for name in last['cka']}))
    return paragraph(
        f'Of {last["samples"]} samples of the first batch, of which nothing is masked: the last '
        'block of the student, and the blocks that are aligned. A standard deviation of 1 uses all '
        'directions alike, 0 is a collapse; so is an effective rank of 1. A CKA of 1 is the same '
        'but for directions.') + chart_row(
            [*charts, *_neighbours(record)])


def _curve(record: Record, name: str) -> Curve:
    return [(point['update'], point[name]) for point in record.points('health')]


def _neighbours(record: Record) -> list[str]:
    points = record.points('neighbours')
    if not points:
        return []
    last = points[-1]
    return [draw_chart(f'top-1 of nearest neighbours, {last["files"]} files of {last["folder"]}', {
        'top-1': [(point['update'], point['top1']) for point in points],
        f'chance ({last["classes"]} classes)': [
            (point['update'], 1 / point['classes']) for point in points]})]
