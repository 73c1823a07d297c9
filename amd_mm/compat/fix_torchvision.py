"""torchvision beside a torch that its C++ operators were not built for."""
from typing import Any

from amd_mm.compat.fix import Fix, Verdict

# A torch.library.Library takes its definitions along when it is collected.
_LIBRARIES: list[object] = []


def _operators_do_not_load(extension: Any) -> Verdict:
    if extension._has_ops():
        return Verdict(False, 'its C++ operators load')
    return Verdict(True, 'its C++ operators do not load')


def _define_schemas(extension: Any) -> None:
    # torchvision registers shape functions for these two unconditionally, and torch
    # refuses them for operators that nobody defined.
    import torch
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name, schema in {
            'nms': '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
            'qnms': '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'}.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)
    _LIBRARIES.append(library)


FIXES = [
    Fix(name='torchvision-schemas', host='torchvision',
        symptom='import torchvision: operator torchvision::nms does not exist',
        affected='any CUDA build of torchvision (0.28.0) beside a CPU build of torch (2.13.0)',
        link='https://github.com/pytorch/vision/pull/9086',
        trigger='torchvision.extension', check=_operators_do_not_load, apply=_define_schemas),
]
