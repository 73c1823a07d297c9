"""Arms x seeds: from configs to a table whose statistics can say no."""
from amd_mm.studies.plan import plan_study
from amd_mm.studies.report import Results, collect, draw, judged_by, markdown
from amd_mm.studies.statistics import Comparison, compare, holm
from amd_mm.studies.study import Arm, Evaluation, Pretraining, Study, read_study

__all__ = [
    'Arm', 'Comparison', 'Evaluation', 'Pretraining', 'Results', 'Study', 'collect', 'compare',
    'draw', 'holm', 'judged_by', 'markdown', 'plan_study', 'read_study'
]
