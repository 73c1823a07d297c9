"""Whether schedules and the length of training meet."""
import logging

from mmengine.config import Config
from mmengine.logging import print_log


def check_schedules(cfg: Config) -> None:
    """Look, before anything is built, whether rates end where training ends.

    A phase without ``end`` ends with the training, as MMEngine fills it in. Training that is
    longer or shorter than what is written out is warned about: the last rate is then not the
    schedule's last. So is a warm-up of more than half of it.

    Args:
        cfg: Of a training run.

    Raises:
        ValueError: If training ends before a phase that lasts to its end begins.
    """
    phases = cfg.get('param_scheduler') or []
    for by_epoch, unit in ((True, 'epochs'), (False, 'iterations')):
        length = (cfg.get('train_cfg') or {}).get('max_epochs' if by_epoch else 'max_iters')
        mine = [phase for phase in (phases if isinstance(phases, list) else [phases])
                if phase.get('by_epoch', True) == by_epoch]
        if length is None or not mine:
            continue
        late = [phase for phase in mine if 'end' not in phase and phase.get('begin', 0) >= length]
        if late:
            raise ValueError(
                f'training must last longer than its warm-up, got {length} {unit} and '
                f'{late[0]["type"]} from {unit[:-1]} {late[0]["begin"]} on; raise the length, or '
                'set param_scheduler=None for a trial at a constant rate')
        _judge_warm_up(mine[0], length, unit)
        ends = [phase.get('end', length) for phase in mine]
        if max(ends) != length:
            print_log(
                f'The schedules end at {unit[:-1]} {max(ends)}, but training at {length}: its last '
                "rate is not the schedule's. Leave `end` out of the last phase.",
                'current', logging.WARNING)


def _judge_warm_up(phase: dict, length: int, unit: str) -> None:
    """Warn where most of training is a warm-up, as in short trials of a long recipe."""
    is_warm_up = phase['type'] == 'LinearLR' and phase.get('begin', 0) == 0 and (
        phase.get('start_factor', 1 / 3) < phase.get('end_factor', 1.))
    if is_warm_up and 'end' in phase and 2 * phase['end'] > length:
        print_log(
            f'The warm-up takes {phase["end"]} of {length} {unit}: the full rate holds for the '
            'rest alone. Train longer, or shorten it (`end` of the first phase and `begin` of the '
            'next in param_scheduler).', 'current', logging.WARNING)
