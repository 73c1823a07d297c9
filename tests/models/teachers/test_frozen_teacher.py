import pytest
import torch
from golden import amd_video, load_golden
from mmengine.model import ExponentialMovingAverage

from amd_mm.registry import MODELS

BACKBONE = dict(type='amd_mm.VideoVisionTransformer', img_size=16, patch_size=8, num_frames=4,
                embed_dims=24, depth=4, num_heads=3, use_mean_pooling=False)


def build(**settings) -> torch.nn.Module:
    return MODELS.build(dict(
        dict(type='amd_mm.FrozenTeacher', backbone=BACKBONE, taps=(1, 3), checkpoint=None),
        **settings))


def test_missing_checkpoint_says_where_teachers_come_from():
    config = dict(type='amd_mm.FrozenTeacher', backbone=BACKBONE, taps=(1, 3))
    with pytest.raises(ValueError, match='model.teacher.checkpoint=FILE.*MCG-NJU/VideoMAE'):
        MODELS.build(config)


def test_random_weights_have_to_be_asked_for_and_warn():
    with pytest.warns(UserWarning, match='random weights'):
        build()


@pytest.mark.parametrize('taps', [(2, 2), (3, 1), (2, 5)])
def test_taps_are_increasing_block_numbers(taps):
    with pytest.raises(ValueError, match='Taps of the teacher .* up to its depth 4'):
        build(taps=taps)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_keeps_only_the_blocks_it_reads_and_never_trains():
    teacher = build()
    assert teacher.backbone.depth == 3
    assert not any(name.startswith('backbone.norm') for name in teacher.state_dict())
    teacher.train()
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    clips = torch.randn(1, 3, 4, 16, 16, requires_grad=True)
    features = teacher(clips, torch.tensor([[0, 3, 5]]))
    assert [f.shape for f in features] == [(1, 3, 24)] * 2
    assert not any(f.requires_grad for f in features)


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_is_outside_the_student():
    model = load_golden(amd_video())
    before = {k: v.clone() for k, v in model.teacher.state_dict().items()}
    assert not any('teacher' in name for name in model.state_dict())
    owned = {id(p) for p in model.parameters()}
    assert not any(id(p) in owned for p in model.teacher.parameters())
    model.init_weights()
    model.train()
    assert all(torch.equal(before[k], v) for k, v in model.teacher.state_dict().items())
    model.double()
    assert all(p.dtype == torch.float64 for p in model.teacher.parameters())


@pytest.mark.filterwarnings('ignore:The teacher has random weights')
def test_copies_of_the_student_share_it():
    model = amd_video()
    average = ExponentialMovingAverage(model)
    assert average.module.teacher is model.teacher
    assert average.module.backbone is not model.backbone
