"""What a run leaves behind for people: one page with its curves and pictures."""
from amd_mm.report.charts import draw_bars, draw_chart
from amd_mm.report.comparison import write_comparison, write_curves
from amd_mm.report.page import write_page
from amd_mm.report.record import Record
from amd_mm.report.scalars import Curves, read_scalars
from amd_mm.report.writing import write_report

__all__ = [
    'Curves', 'Record', 'draw_bars', 'draw_chart', 'read_scalars', 'write_comparison',
    'write_curves', 'write_page', 'write_report'
]
