"""Which checkpoint a run goes on from."""
import os
import re
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from amd_mm.checkpoints.addresses import local_file
from amd_mm.checkpoints.archive import check_sums
from amd_mm.checkpoints.reading import read_content
from amd_mm.checkpoints.saved_config import saved_config
from amd_mm.engine.hooks.resume_hook import differences
from amd_mm.engine.work_dir_lock import WorkDirLock

# What of a model may change within a run: where weights came from, how it is computed, and what is
# filled in from the data, or follows from the number of its classes.
_FREE = re.compile(r'\b(checkpoint|init_cfg|with_cp|compile|shard|num_classes|topk)\b')
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
            go on from, or with ``'auto'`` is of another model, or another run trains in the work
            dir.
    """
    if _is_first_process(cfg) and Path(cfg.work_dir).is_dir():
        WorkDirLock(cfg.work_dir).acquire()
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
        if resume == 'auto':
            _require_same_model(cfg, place)
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


def _require_same_model(cfg: Config, path: str | Path) -> None:
    """The work dir may be another config's: that is for the user to say, by the file's name."""
    before = saved_config(_read_meta(path)).get('model')
    if before is None:
        return
    changes = [change for change in differences('model', before, cfg.model.to_dict())
               if not _FREE.search(change.partition(' ')[0])]
    if changes:
        raise ValueError(
            f'the run of a work dir must go on with its own model, but {path} was trained with '
            f'another: {"; ".join(changes):.1500}. Take another --work-dir for this config; if '
            f'the change is meant, say --resume {path}')


def _is_first_process(cfg: Config) -> bool:
    """Whether this process is the one that writes, before processes have met."""
    ranks = dict(none='0', pytorch=os.environ.get('RANK'), slurm=os.environ.get('SLURM_PROCID'))
    return ranks.get(cfg.get('launcher', 'none')) == '0'


def _read_meta(path: str | Path) -> dict[str, Any]:
    meta = read_content(path).get('meta')
    return meta if isinstance(meta, dict) else {}


def _read(path: str | Path) -> dict:
    content = read_content(path)
    with local_file(path) as local:
        check_sums(local)
    return content if isinstance(content, dict) else {}


def _training_checkpoints(work_dir: Path) -> list[Path]:
    """Those that CheckpointHook numbers, the newest first."""
    found = [path for path in work_dir.glob('*.pth') if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
