"""Which checkpoint a run goes on from."""
import re
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log

from amd_mm.checkpoints.reading import read_content

_NAME = re.compile(r'(epoch|iter)_(\d+)\.pth')


def prepare_start(cfg: Config, resume: str | None, overwrite: bool) -> None:
    """Settles what a run starts from, in place.

    Args:
        cfg: Of the run.
        resume: None: from the beginning. ``'auto'``: from the newest whole checkpoint of the work
            dir, if there is one. Else the checkpoint to go on from, a path or
            an address.
        overwrite: Whether a run that starts anew may overwrite one in its work dir.

    Raises:
        ValueError: If the work dir holds a run that nobody spoke of, or the checkpoint is none to
            go on from.
    """
    if resume is None:
        if not overwrite and (found := _training_checkpoints(Path(cfg.work_dir))):
            raise ValueError(
                f'The work dir of a new run must hold no other one, but {found[0]} is there; go on '
                'with --resume, take another --work-dir, or add --overwrite')
        return
    place = newest_whole(cfg.work_dir) if resume == 'auto' else resume
    cfg.resume = place is not None
    if place is not None:
        require_resumable(place)
        # An address stays one: MMEngine's loader reads what was downloaded just now.
        cfg.load_from = str(place)


def newest_whole(work_dir: str | Path) -> Path | None:
    """The newest checkpoint of a run that can be read; damaged ones are named in the log.

    Its files are looked at, not the path in ``last_checkpoint``: the folder may have moved.
    """
    for path in _training_checkpoints(Path(work_dir)):
        try:
            _read(path)
        except ValueError as error:
            print_log(f'{error} The checkpoint before it is taken.', 'current', level=30)
        else:
            return path
    return None


def require_resumable(path: str | Path) -> None:
    """Raise a ValueError unless training can go on from a checkpoint exactly."""
    content = _read(path)
    missing = [name for name in ('meta', 'optimizer', 'message_hub') if name not in content]
    if missing:
        raise ValueError(
            f'{path}: a checkpoint to resume from must hold the state of its training, but has no '
            f'{", ".join(missing)} (the best ones, and converted and published ones, are weights '
            'alone); resume from epoch_N.pth or iter_N.pth of the run, or start a new run from its '
            'weights with --cfg-options load_from=FILE')


def _read(path: str | Path) -> dict:
    content = read_content(path)
    return content if isinstance(content, dict) else {}


def _training_checkpoints(work_dir: Path) -> list[Path]:
    """Those that CheckpointHook numbers, the newest first."""
    found = [path for path in work_dir.glob('*.pth') if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
