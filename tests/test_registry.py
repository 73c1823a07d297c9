import pytest
from good_values import needed
from tiny_vits import image_vit, pretraining, pretraining_config
from torch import nn

import amd_mm.datasets.transforms  # noqa: F401 (registers its parts, as the package above does)
from amd_mm.registry import DATASETS, MODELS, TRANSFORMS
from amd_mm.tokens import TokenGrid


@pytest.mark.parametrize('part', [
    pytest.param(part, id=name)
    for registry in (TRANSFORMS, DATASETS) for name, part in sorted(registry.module_dict.items())])
def test_misspelt_argument_is_refused(part):
    # What is needed is given, so that nothing but the misspelt argument can be wrong.
    with pytest.raises(TypeError, match="misspelt|takes no arguments"):
        part(**needed(part), misspelt=1)


def one_of_each() -> dict[str, nn.Module]:
    """A module of every class of ours, registered or not, by the name of the class."""
    neighbours = MODELS.build(dict(
        type='amd_mm.NearestNeighbours', backbone=pretraining_config('image')['backbone'],
        gallery={}))
    timm_teacher = MODELS.build(dict(
        type='amd_mm.TimmTeacher', architecture='vit_tiny_patch16_224', taps=(1, ),
        checkpoint=None))
    transformers_teacher = MODELS.build(dict(
        type='amd_mm.TransformersTeacher', taps=(1, ), checkpoint=None, architecture=dict(
            model_type='dinov2', hidden_size=8, num_attention_heads=2, num_hidden_layers=1)))
    extractor = MODELS.build(dict(
        type='amd_mm.MovingRoIExtractor', jitter=(.1, ) * 4, enlarge=(.1, .1), output_size=7))
    relations = MODELS.build(dict(
        type='amd_mm.RelationNeck', student_dims=4, teacher_dims=4, num_pairs=1,
        grid=TokenGrid((2, 2), (4, 4)), loss=dict(type='amd_mm.RelationLoss', loss_weight=1.),
        relations=['qk'], align_cls_token=True))
    standardization = MODELS.build(dict(
        type='amd_mm.TeacherStandardization', dims=4, method='phi_s', samples=1))
    clip = TokenGrid((2, 2, 2), (2, 4, 4))
    masks = [MODELS.build(dict(settings, type=f'amd_mm.{name}', grid=clip)) for name, settings in (
        ('AttentionMasking', {}), ('BlockMasking', dict(min_size=1, aspect=(1, 1))),
        ('MotionMasking', dict(reach=4)), ('RunningCellMasking', {}),
        ('MultiBlockMasking', dict(num_blocks=1, area=.5, aspect=(1, 1))))]
    pyramid = MODELS.build(dict(
        type='amd_mm.SimpleFeaturePyramid', in_channels=8, out_channels=8, num_outs=5))
    roots = [
        pretraining('image'), image_vit(), neighbours, timm_teacher, transformers_teacher,
        extractor, relations, standardization, *masks, pyramid]
    for modality in ('image', 'video'):
        amd = pretraining(modality, amd=True)
        roots += [amd, amd.teacher]
    return {type(module).__name__: module for root in roots for module in root.modules()
            if type(module).__module__.startswith('amd_mm.')}


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_modules_return_themselves_as_torchs_do():
    """mmpretrain's ``train`` returns nothing, which ``MODELS.build(...).eval()`` then is."""
    modules = one_of_each()
    assert set(modules) >= set(MODELS.module_dict)
    for name, module in modules.items():
        for method, arguments in (('train', ()), ('eval', ()), ('requires_grad_', (False, )),
                                  ('to', ('cpu', )), ('float', ()), ('cpu', ())):
            assert getattr(module, method)(*arguments) is module, f'{name}.{method}'
        assert not any(part.training for part in module.modules()), name
        assert not any(weight.requires_grad for weight in module.parameters()), name
