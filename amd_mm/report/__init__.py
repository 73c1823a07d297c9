"""What a run leaves behind for people: one page with its curves and pictures."""
from amd_mm.report.charts import draw_chart
from amd_mm.report.page import write_page
from amd_mm.report.scalars import read_scalars

__all__ = ['draw_chart', 'read_scalars', 'write_page']
