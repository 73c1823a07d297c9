"""Work dirs of runs that told a little of themselves."""
import json
from pathlib import Path

from amd_mm.report import Record

# The smallest JPEG that browsers draw: one grey pixel would do, but its bytes are not looked at.
PIXEL = b'\xff\xd8\xff\xd9'


def log(work_dir: Path, lines: list[dict]) -> None:
    """Write what MMEngine logs."""
    folder = work_dir / '1' / 'vis_data'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))


def tell_pretraining(work_dir: Path, raw: bool = False, rec: float = 1.) -> Record:
    """A distillation at update 20 of 40."""
    log(work_dir, [dict(loss=3., loss_dir=2., loss_gen=.5, loss_rec=rec, lr=.1, grad_norm=1.,
                        time=time, data_time=.5, clips_per_second=8., iter=step, step=step)
                   for step, time in ((10, 2.), (20, 4.))])
    record = Record(work_dir)
    record.write('facts', dict(
        header=dict(method='AMD: the <student>', batch='8 samples'),
        parameters=dict(student=[1000, 900], decoder=[20, 20], teacher=[5000, 0]),
        flops=dict(mask=0, teacher=3e9, student=1e9, backward=2e9, losses=5e8),
        tokens={'in all': 64, 'seen by the student': 16, 'predicted (pixels)': 48}, inputs=32,
        max_updates=40, updates_an_epoch=10, processes=2, raw_features=raw))
    record.write('progress', dict(update=20, report_seconds=.6, run_seconds=70.,
                                  bad=dict(seen=100, replaced=3, kinds={'is empty': 3})))
    return record
