"""How the processes of a run begin: they meet, are compared, and may wait for each other."""
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed
from mmengine.utils.dl_utils import set_multi_processing
from torch import distributed
from torch.distributed import distributed_c10d

from amd_mm.engine.sameness import require_same
from amd_mm.meeting import MEETING_TIMEOUT, Meeting, Place, begin, current, require_reach

# Seconds; the first batch comes after data sets are read, workers are started and models compiled.
COLLECTIVE_TIMEOUT, FIRST_BATCH_TIMEOUT = 600., 1800.
# The scheme of addresses by which torch's process group comes to our meeting.
_SCHEME = 'amd-mm'


def start_processes(cfg: Config) -> None:
    """Begin the process group of a run, as its Runner would; nothing where there is one process.

    All meet within ``env_cfg.meeting_timeout`` seconds, or say who is missing. Then what they run
    is compared. Until :func:`limit_collectives` a collective may take
    ``env_cfg.first_batch_timeout`` seconds.

    Args:
        cfg: Of the run. With an ``env_cfg.dist_cfg.init_method`` of its own it is left to MMEngine.

    Raises:
        Unmet: If processes are missing.
        ValueError: If they do not run the same, or the port is not theirs.
    """
    env = cfg.get('env_cfg', {})
    launch = dict(env.get('dist_cfg', {}))
    if cfg.get('launcher', 'none') == 'none' or is_distributed() or 'init_method' in launch:
        return
    # MMEngine's order: what it sets here, the group's libraries read.
    set_multi_processing(**env.get('mp_cfg', {}), distributed=True)
    meeting = env.get('meeting_timeout', MEETING_TIMEOUT)
    # Without an accelerator it is gloo, whatever the config says.
    backend = 'gloo' if get_device() == 'cpu' else launch.get('backend', 'nccl')
    address = f'{_SCHEME}://{backend}/'
    init_dist(cfg.launcher, **launch | dict(init_method=address, timeout=meeting))
    if (met := current()) is not None:
        require_same(cfg, met)
    distributed_c10d._set_pg_timeout(
        timedelta(seconds=env.get('first_batch_timeout', FIRST_BATCH_TIMEOUT)))


def limit_collectives(cfg: Config) -> None:
    """From now on a collective takes ``env_cfg.dist_cfg.timeout`` seconds at most."""
    launch = cfg.get('env_cfg', {}).get('dist_cfg', {})
    if is_distributed():
        distributed_c10d._set_pg_timeout(
            timedelta(seconds=launch.get('timeout', COLLECTIVE_TIMEOUT)))


def _rendezvous(url: str, timeout: timedelta, **kwargs: Any) -> Iterator[tuple]:
    """What torch asks for at ``amd-mm://BACKEND/``: a store, this rank and the number of all."""
    meeting = Meeting(Place.of_process(), timeout.total_seconds())
    begin(meeting)
    require_reach(meeting, url.removeprefix(f'{_SCHEME}://').partition('/')[0])
    yield meeting.store, meeting.place.rank, meeting.place.size


distributed.register_rendezvous_handler(_SCHEME, _rendezvous)
