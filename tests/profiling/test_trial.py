import pytest
import torch
from mmengine.config import Config
from recipes import CONFIGS, shrink
from teachers import two_teachers_config

from amd_mm.profiling.trial import trial_inputs, trial_model


@pytest.mark.parametrize('recipe,channels', [
    ('amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py', -1),
    ('dmae/dmae_vit-base-p16_b4096-100e_in1k.py', 1),
])
def test_a_recipe_is_tried_without_checkpoint_and_data(recipe, channels):
    cfg = Config.fromfile(CONFIGS / recipe)
    shrink(cfg)
    cfg.model.teacher.checkpoint = 'nowhere.pth'
    model = trial_model(cfg)
    assert model.training and cfg.model.teacher.checkpoint == 'nowhere.pth'
    inputs = trial_inputs(model, 3)
    assert inputs.shape == (3, 3, *model.backbone.grid.input_size)
    assert inputs.movedim(1, channels).is_contiguous()
    torch.manual_seed(0)
    losses = model.loss(inputs)
    assert {'loss_rec', 'loss_dir'} <= set(losses) and all(loss > .01 for loss in losses.values())


def test_no_checkpoint_of_several_teachers_is_read():
    model = two_teachers_config()
    for one in model['teacher']:
        one['teacher']['checkpoint'] = f'nowhere-{one["name"]}.pth'
    cfg = Config(dict(model=model))
    assert [lesson.name for lesson in trial_model(cfg).lessons] == ['wide', 'narrow']
    assert cfg.model.teacher[1].teacher.checkpoint == 'nowhere-narrow.pth'


def test_other_models_are_refused():
    cfg = Config.fromfile(CONFIGS / 'quickstart/finetune_student.py')
    with pytest.raises(ValueError, match='mask_generator, got a model of type mmaction.Recog'):
        trial_model(cfg)
