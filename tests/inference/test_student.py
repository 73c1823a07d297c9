"""The student alone, from the config and the checkpoint of a whole AMD."""
import golden
import pytest
import torch
from golden import amd_video, load_golden
from mmengine.config import Config
from teachers import two_teachers_config

from amd_mm.inference import build_student, fixed_keys, load_student, reconstruct
from amd_mm.registry import MODELS


@pytest.fixture
def config(monkeypatch) -> Config:
    """That of the golden AMD, with a teacher that is nowhere to be had."""
    taken = {}
    with monkeypatch.context() as patch:
        patch.setattr(golden.MODELS, 'build', taken.update)
        amd_video()
    taken['teacher'] = dict(taken['teacher'], checkpoint='nowhere.pth')
    return Config(dict(model=taken))


@pytest.fixture(scope='module')
def amd():
    return load_golden(amd_video())


def saved(tmp_path, state, **changes) -> str:
    torch.save(dict(state_dict={**state, **changes}, meta=dict(epoch=1)), tmp_path / 'last.pth')
    return str(tmp_path / 'last.pth')


def test_it_draws_what_the_whole_model_draws(config, amd, tmp_path):
    student = build_student(config)
    assert not hasattr(student, 'teacher') and not hasattr(student, 'neck')
    assert not student.training
    load_student(student, saved(tmp_path, amd.state_dict()))
    clip = [torch.randint(256, (1, 3, *student.backbone.grid.input_size), dtype=torch.uint8)]
    for one, other in zip(reconstruct(student, clip, fixed_keys(1))[:2],
                          reconstruct(amd, clip, fixed_keys(1))[:2], strict=True):
        assert torch.equal(one, other)


def test_the_necks_of_several_teachers_are_left_over(tmp_path):
    config = two_teachers_config('image', mask_generator=dict(
        type='amd_mm.AsymmetricMaskGenerator', strategy='random', student_ratio=.75,
        teacher_ratio=[.5, .25]))
    amd = MODELS.build(config)
    student = build_student(Config(dict(model=config)))
    load_student(student, saved(tmp_path, amd.state_dict()))
    image = torch.randint(256, (1, 3, *student.backbone.grid.input_size)).float()
    for one, other in zip(reconstruct(student, image, fixed_keys(1))[:2],
                          reconstruct(amd.eval(), image, fixed_keys(1))[:2], strict=True):
        assert torch.equal(one, other)


def test_the_preprocessor_may_stand_beside_the_model(config):
    config.data_preprocessor = config.model.pop('data_preprocessor')
    assert build_student(config).head.std.tolist() == pytest.approx(
        [s / 255 for s in golden.STD])


def test_another_config_is_refused(config):
    for model in (dict(config.model, decoder=None),
                  dict(type='mmaction.Recognizer3D', backbone=config.model.backbone)):
        with pytest.raises(ValueError, match='needs a pre-training config .* without .*decoder'):
            build_student(Config(dict(model=model)))


@pytest.mark.parametrize('change, message', [
    (lambda s: {k: v for k, v in s.items() if not k.startswith('decoder.')},
     'it has no decoder, only backbone'),
    (lambda s: {k.replace('backbone.', 'encoder.'): v for k, v in s.items()},
     'it has no backbone, only decoder, encoder'),
    (lambda s: {k: v for k, v in s.items() if k != 'decoder.mask_token'},
     'but not in the checkpoint: decoder.mask_token'),
    (lambda s: dict(s, **{'cls_head.fc_cls.bias': torch.zeros(2)}),
     'but not in the model: cls_head.fc_cls.bias'),
    (lambda s: dict(s, **{'decoder.norm.bias': torch.zeros(2)}),
     r'of another shape: decoder.norm.bias \(checkpoint \(2,\), model \(16,\)\)'),
])
def test_a_checkpoint_that_does_not_fit_is_refused(config, amd, tmp_path, change, message):
    student = build_student(config)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_student(student, saved(tmp_path, change(amd.state_dict())))
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_a_checkpoint_of_another_size_is_refused(config, amd, tmp_path):
    config.model.backbone.depth = 3
    config.model.decoder.depth = 3
    with pytest.raises(ValueError, match='not in the checkpoint: decoder.blocks.2.* not in the mo'):
        load_student(build_student(config), saved(tmp_path, amd.state_dict()))


def test_prefixes_of_wrappers_do_not_matter(config, amd, tmp_path):
    student = MODELS.build(dict(
        {k: v for k, v in config.model.items() if k not in ('teacher', 'neck', 'taps')},
        type='amd_mm.MaskedAutoencoder'))
    load_student(student, saved(
        tmp_path, {f'module.{name}': value for name, value in amd.state_dict().items()}))
    assert torch.equal(student.decoder.mask_token, amd.decoder.mask_token)
