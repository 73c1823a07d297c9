"""For every argument that a registered part needs, a value that its rule allows."""
import inspect
from typing import Any

from mmengine.runner import Runner

from amd_mm.tokens import TokenGrid

_ANY = dict(type='any')
_VALUES = dict(
    area=.5, aspect=(1, 2), min_size=1, num_blocks=1, reach=8,  # of masks
    align_cls_token=True, ann_file='list.txt', architecture='vit_tiny_patch16_224', backbone=_ANY,
    channels=3, clip_len=2, data_prefix=dict(img_path='a', seg_map_path='b'), data_root='.',
    dataloader={}, dataset=range(5), decoder=_ANY, dims=4, direct=_ANY, distance='l2',
    enlarge=(0, 0), evaluator={}, frame_interval=2, gallery={}, generation=_ANY,
    grid=TokenGrid((2, 2), (4, 4)),
    head=_ANY, hue=1, in_channels=4, in_dims=4, jitter=(0, 0, 0, 0), label_file='labels.txt',
    loss=_ANY, loss_weight=1., magnitude=7, magnitude_std=.5, mask_generator=_ANY, max_epochs=1,
    mean=[0.], memory_gib=1., metainfo=dict(classes=('a', 'b')), method='phi_s', neck=_ANY,
    normalize=None,
    num_ops=4, num_outs=4, num_pairs=1, num_prefix_tokens=0, out_channels=4, pipeline=[],
    proposal_file='proposals.pkl', relations=['qk'], runner=Runner.__new__(Runner),
    samples=1, saturation=1, scale=(8, 8), std=[1.], strategy='random', student_dims=4, taps=(1, ),
    teacher=_ANY, teacher_dims=4, value=1)


def needed(part: type) -> dict[str, Any]:
    """Arguments that ``part`` cannot be built without, none of which is refused."""
    values = dict(_VALUES, dataset=_ANY) if part.__name__ == 'KeyedDataset' else _VALUES
    # Of three ways to name its files, one has to be there.
    named = dict(data_prefix='pictures') if part.__name__ == 'PictureDataset' else {}
    return named | {name: values[name] for name, parameter in arguments(part).items()
            if parameter.default is parameter.empty}


def arguments(part: type) -> dict[str, inspect.Parameter]:
    """The named arguments of a constructor of ours; none, where it is a host's."""
    if not getattr(part.__init__, '__module__', '').startswith('amd_mm.'):
        return {}
    return {name: parameter for name, parameter in inspect.signature(part).parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)}
