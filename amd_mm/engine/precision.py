"""Mixed precision from the command line."""
from mmengine.config import Config

# bfloat16 has the range of float32: nothing has to be scaled, and MMEngine's default, a
# dynamic scale, would skip updates in silence.
BFLOAT16 = dict(type='AmpOptimWrapper', dtype='bfloat16', loss_scale=dict(enabled=False))


def enable_amp(cfg: Config) -> None:
    """Turn on bfloat16 autocast in a config, in place; one that has autocast stays as it is.

    Raises:
        ValueError: For an optimizer wrapper other than MMEngine's two.
    """
    name = cfg.optim_wrapper.get('type', 'OptimWrapper').rpartition('.')[-1]
    if name not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f'--amp needs optim_wrapper.type OptimWrapper or AmpOptimWrapper, got {name}; '
            'set the precision in the config instead')
    if name == 'OptimWrapper':
        cfg.optim_wrapper.update(BFLOAT16)
