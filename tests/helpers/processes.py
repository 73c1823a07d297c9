"""Processes of runs with toys.SlowHook, seen from outside."""
import time
from pathlib import Path

from mmengine.config import Config


def wait_for(work_dir: str, rank: int, iterations: int) -> None:
    """Until a process has made some iterations."""
    record = Path(work_dir, f'record_{rank}.jsonl')
    for _ in range(1200):
        if record.exists() and len(record.read_text().splitlines()) >= iterations:
            return
        time.sleep(.1)
    raise AssertionError('the run did not start')


def pid(cfg: Config, rank: int) -> int:
    return int(Path(cfg.work_dir, f'pid_{rank}').read_text())
