from mmengine.config import Config
from recipes import CONFIGS

from amd_mm.deploy.reading import describe_reading


def test_of_the_recipes():
    def said(name):
        config = Config.fromfile(CONFIGS / name)
        return describe_reading(config.test_dataloader.dataset.pipeline)

    assert said('quickstart/finetune_student.py') == dict(
        short_side=None, crop=(32, 32), interpolation='bilinear', antialias=False, other=[],
        frames=8, stride=1)
    k400 = said('finetune/vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb.py')
    assert (k400['frames'], k400['stride'], k400['short_side']) == (16, 4, 224)
    assert k400['crop'] == (224, 224) and not k400['other']
    in1k = said('finetune/vit-small-p16_amd-pre_b1024-coslr-100e_in1k.py')
    assert in1k == dict(short_side=256, crop=(224, 224), interpolation='bicubic', antialias=True,
                        other=[])


def test_what_it_cannot_say_is_named():
    steps = [dict(type='mmaction.SampleFrames', clip_len=4), dict(type='mmaction.Fuse'),
             dict(type='mmaction.CenterCrop', crop_size=(40, 30))]
    assert describe_reading(steps) == dict(
        short_side=None, crop=(30, 40), interpolation='bilinear', antialias=False, other=['Fuse'],
        frames=4, stride=None)
