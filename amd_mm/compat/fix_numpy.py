"""What numpy 2 took away and mmcv, mmpretrain, mmaction2 and mmdet use."""
from functools import wraps
from typing import Any

from amd_mm.compat.fix import Fix, Verdict


def _aliases(numpy: Any) -> dict[str, object]:
    def in1d(ar1: object, ar2: object, assume_unique: bool = False,
             invert: bool = False) -> object:
        return numpy.isin(numpy.ravel(ar1), ar2, assume_unique=assume_unique, invert=invert)

    return {
        'Inf': numpy.inf,  # pose transforms, frame extraction
        'NAN': numpy.nan,  # AVA evaluation
        'float': float,  # mmdet's YouTube-VIS evaluation, mmcv.ops.pixel_group
        'in1d': in1d,  # recall metrics
        'trapz': getattr(numpy, 'trapezoid', None),  # localisation metrics
    }


def _names_are_gone(numpy: Any) -> Verdict:
    gone = [name for name in _aliases(numpy) if name not in vars(numpy)]
    if gone:
        return Verdict(True, f'numpy has no {", ".join(gone)}')
    return Verdict(False, 'numpy has the names that the hosts use')


def _give_names_back(numpy: Any) -> None:
    for name, value in _aliases(numpy).items():
        if name not in vars(numpy):
            setattr(numpy, name, value)


def _tubes_fail(multisports_utils: Any) -> Verdict:
    tube = multisports_utils.np.array([[0., 0., 0., 1., 1.]])
    try:
        multisports_utils.iou3dt_voc(tube, tube)
    except TypeError as error:
        return Verdict(True, f'the overlap of two tubes raises: {error}')
    return Verdict(False, 'the overlap of two tubes is computed')


def _convert_arrays_of_one(multisports_utils: Any) -> None:
    def to_int(value: Any) -> int:
        return int(value.item() if isinstance(value, multisports_utils.np.ndarray) else value)

    multisports_utils.int = to_int  # the module only ever calls it


def _overwrites_bool(wrappers: Any) -> Verdict:
    if wrappers.np.bool is bool or 'bool' not in wrappers.ImgAug.__init__.__code__.co_names:
        return Verdict(False, 'nothing overwrites np.bool')
    return Verdict(True, "the constructor of ImgAug overwrites np.bool, which is numpy's own now")


def _keep_bool(wrappers: Any) -> None:
    init = wrappers.ImgAug.__init__

    @wraps(init)
    def keep_bool(self: object, transforms: object) -> None:
        numpy_bool = wrappers.np.bool
        try:
            init(self, transforms)
        finally:
            wrappers.np.bool = numpy_bool

    wrappers.ImgAug.__init__ = keep_bool


FIXES = [
    Fix(name='numpy-aliases', host='numpy',
        symptom='AttributeError: `np.Inf` was removed in the NumPy 2.0 release (np.NAN, '
                'np.in1d, np.trapz, np.float)',
        affected='numpy >= 2.0 (np.float: >= 1.24; np.in1d, np.trapz: >= 2.4)',
        link='https://numpy.org/doc/stable/numpy_2_0_migration_guide.html',
        trigger='numpy', check=_names_are_gone, apply=_give_names_back),
    Fix(name='mmaction-tubes', host='mmaction',
        symptom='MultiSports metric: only 0-dimensional arrays can be converted to Python scalars',
        affected='mmaction2 1.2.0 with numpy >= 2.4',
        link='https://numpy.org/doc/stable/release/2.4.0-notes.html',
        trigger='mmaction.evaluation.functional.multisports_utils',
        check=_tubes_fail, apply=_convert_arrays_of_one),
    Fix(name='mmaction-numpy-bool', host='mmaction',
        symptom="after ImgAug was tried, numpy fails: 'bool' object has no attribute 'any'",
        affected='mmaction2 1.2.0 with numpy >= 2',
        link='https://numpy.org/doc/stable/numpy_2_0_migration_guide.html',
        trigger='mmaction.datasets.transforms.wrappers',
        check=_overwrites_bool, apply=_keep_bool),
]
