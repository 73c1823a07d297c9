import pytest
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from recipes import CONFIGS
from tiny_vits import image_vit, video_vit
from torch import nn

from amd_mm.engine import build_training_runner
from amd_mm.engine.settings_check import check_names, check_paramwise, check_rates

VIDEO_DECAY = 'mmaction.LearningRateDecayOptimizerConstructor'
IMAGE_DECAY = 'mmpretrain.LearningRateDecayOptimWrapperConstructor'
DENSE_DECAY = 'amd_mm.LayerDecayConstructor'
TRAINED = [path for path in sorted(CONFIGS.rglob('*.py'))
           if '_base_' not in path.parts and 'knn' not in path.name]


def config(constructor: str = 'DefaultOptimWrapperConstructor', **paramwise) -> Config:
    return Config(dict(default_scope=None, optim_wrapper=dict(
        optimizer=dict(type='AdamW', lr=1., weight_decay=.1), constructor=constructor,
        paramwise_cfg=paramwise)))


class Classifier(nn.Module):
    """What the hosts' recognisers and classifiers are to a constructor."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(24, 2)

    def get_layer_depth(self, name: str) -> tuple[int, int]:
        return self.backbone.get_layer_depth(name, 'backbone.')


def rates(cfg: Config, model: nn.Module) -> dict[str, float]:
    """Rate of each weight that the optimizer has."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    return {names[id(weight)]: group['lr'] for group in groups for weight in group['params']}


@pytest.mark.parametrize('path', TRAINED, ids=lambda path: path.stem)
def test_every_recipe_holds_only_what_is_read(path):
    cfg = Config.fromfile(path)
    check_names(cfg)
    check_paramwise(cfg)


@pytest.mark.parametrize(('wrong', 'right'), [
    ('modle', 'model'), ('optim_wraper', 'optim_wrapper'), ('train_dataloder', 'train_dataloader'),
    ('load_form', 'load_from'), ('param_schedulers', 'param_scheduler'),
    ('global_batchsize', 'global_batch_size'), ('train_config', 'train_cfg')])
def test_a_misspelt_key_is_named_with_the_right_one(wrong, right):
    with pytest.raises(ValueError, match=f"got '{wrong}'; write '{right}'"):
        build_training_runner(Config({wrong: dict(type='ToyModel'), 'model': dict()}))


@pytest.mark.parametrize('name', [
    'vit_small', 'cosine', 'mixup', 'dataset_type', 'train_pipeline', 'gallery_dataloader',
    'val_evaluator_own', 'conv_cfg', 'batch_size'])
def test_variables_of_a_config_are_its_own(name):
    cfg = Config({name: 1, 'model': dict()})
    check_names(cfg)
    assert cfg[name] == 1


@pytest.mark.parametrize(('constructor', 'paramwise', 'message'), [
    ('DefaultOptimWrapperConstructor', dict(flat_decay_mul=0.), "write 'flat_decay_mult'"),
    ('DefaultOptimWrapperConstructor', dict(layer_decay_rate=.7), "'layer_decay_rate'; remove it"),
    ('DefaultOptimWrapperConstructor', dict(custom_keys=dict(backbone=dict(lr_mul=0.))),
     "got 'lr_mul'; write 'lr_mult'"),
    (VIDEO_DECAY, dict(num_layer=2, decay_rate=.5), "got 'num_layer'; write 'num_layers'"),
    (VIDEO_DECAY, dict(num_layers=2, decay_rate=.5, custom_keys=dict(backbone=dict(lr_mult=0.))),
     "got 'custom_keys'; remove it and freeze a backbone of ours with model.backbone.frozen=True"),
    (IMAGE_DECAY, dict(layer_decay=.5), "got 'layer_decay'; write 'layer_decay_rate'"),
    (IMAGE_DECAY, dict(layer_decay_rate=.5, custom_keys=dict(backbone=dict(lr_mult=0.))),
     'ignores lr_mult, got lr_mult=0.0'),
    (DENSE_DECAY, dict(layer_decay=.5), "got 'layer_decay'; write 'layer_decay_rate'"),
    (DENSE_DECAY, dict(layer_decay_rate=.5, custom_keys=dict(neck=dict(lr_mult=0.))),
     'ignores lr_mult, got lr_mult=0.0'),
    (IMAGE_DECAY, dict(custom_keys=dict(head=dict(decay_mul=0.))), "write 'decay_mult'"),
])
def test_what_a_constructor_passes_over_is_refused(constructor, paramwise, message):
    cfg = config(constructor, **paramwise)
    cfg.model = dict(type='mmpretrain.VisionTransformer')
    with pytest.raises(ValueError, match=message):
        build_training_runner(cfg)


def test_the_optimizers_own_settings_and_other_constructors_are_left_alone():
    for paramwise in (dict(custom_keys=dict(bias=dict(decay_mult=0., lars_exclude=True))),
                      dict(custom_keys=dict(head=dict(betas=(.9, .95), weight_decay=.2)))):
        check_paramwise(config(**paramwise))
    with pytest.raises(ValueError, match='fc_lr5'):
        check_paramwise(config(fc_lr5=True))
    other = config('mmaction.TSMOptimWrapperConstructor', fc_lr5=True)
    check_paramwise(other)
    check_rates(other, Classifier(video_vit()))


@pytest.mark.parametrize(('num_layers', 'wrong'), [(0, 2.), (1, 1.), (4, .125)])
def test_layer_decay_counts_the_blocks_of_the_network(num_layers, wrong):
    """Of 2 blocks; ``wrong`` is the rate that the second would have, in place of 0.5."""
    model = Classifier(video_vit())
    found = rates(config(VIDEO_DECAY, num_layers=num_layers, decay_rate=.5), model)
    assert found['backbone.blocks.1.attn.qkv.weight'] == wrong
    with pytest.raises(ValueError, match=f'the network, 2, got {num_layers}; .*num_layers=2'):
        check_rates(config(VIDEO_DECAY, num_layers=num_layers, decay_rate=.5), model)
    right = config(VIDEO_DECAY, num_layers=2, decay_rate=.5)
    check_rates(right, model)
    found = rates(right, model)
    assert [found[name] for name in (
        'head.weight', 'backbone.blocks.1.attn.qkv.weight', 'backbone.blocks.0.attn.qkv.weight',
        'backbone.patch_embed.projection.weight')] == [1, .5, .25, .125]


@pytest.mark.parametrize(('key', 'settings', 'message'), [
    ('bakbone', dict(decay_mult=0.), "got 'bakbone'; write 'backbone'"),
    ('.pos_embd', dict(decay_mult=0.), "write 'pos_embed'"),
    ('backbone.pach_embed', dict(lr_mult=0.), "write 'backbone.patch_embed'"),
    ('.head', dict(lr_mult=0.), "got '.head'; write 'head'"),
    ('encoder', dict(lr_mult=0.), r'name a part of the model \(backbone, head\) or remove it'),
])
def test_a_custom_key_that_misses_its_part_is_refused(key, settings, message):
    with pytest.raises(ValueError, match=message):
        check_rates(config(custom_keys={key: settings}), Classifier(image_vit()))


def test_custom_keys_for_other_networks_may_stay():
    """The hosts' schedules have them, and they set no rate."""
    keys = {'.absolute_pos_embed': dict(decay_mult=0.), 'head': dict(lr_mult=2.),
            'backbone.layers.1': dict(lr_mult=.5)}
    cfg, model = config(custom_keys=keys), Classifier(image_vit())
    check_rates(cfg, model)
    found = rates(cfg, model)
    assert found['head.weight'] == 2 and found['backbone.layers.1.attn.qkv.weight'] == .5
    assert found['backbone.layers.0.attn.qkv.weight'] == 1


@pytest.mark.parametrize(('backbone', 'constructor', 'paramwise'), [
    (video_vit, VIDEO_DECAY, dict(num_layers=2, decay_rate=.5)),
    (image_vit, IMAGE_DECAY, dict(layer_decay_rate=.5)),
    (image_vit, DENSE_DECAY, dict(layer_decay_rate=.5)),
    (video_vit, 'DefaultOptimWrapperConstructor', dict(flat_decay_mult=0.))])
def test_a_frozen_backbone_has_no_rate(backbone, constructor, paramwise):
    cfg, model = config(constructor, **paramwise), Classifier(backbone(frozen=True))
    check_rates(cfg, model)
    assert rates(cfg, model) == {'head.weight': 1, 'head.bias': 1}


def test_frozen_first_blocks_leave_the_rates_of_the_others():
    model = Classifier(image_vit(frozen_stages=1))
    found = rates(config(IMAGE_DECAY, layer_decay_rate=.5), model)
    names = {name.split('.')[2] for name in found if name.startswith('backbone.layers')}
    assert names == {'1'} and 'backbone.patch_embed.projection.weight' not in found
    assert found['backbone.layers.1.attn.qkv.weight'] == .5 and found['head.weight'] == 1
