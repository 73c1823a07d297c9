import detectors
import nuclei
import pytest
import tiny_vits
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from recipes import CONFIGS, shrink
from teachers import two_teachers_config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torch_memory import allocated

from amd_mm.profiling.flops import ATTENTION, count_flops
from amd_mm.profiling.memory import step_memory
from amd_mm.profiling.trial import (
    detection_losses,
    segmentation_losses,
    trial_detector,
    trial_inputs,
    trial_model,
    trial_segmentor,
)
from amd_mm.registry import DATASETS


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


@pytest.fixture
def segmentor(tmp_path) -> nn.Module:
    """Of one's own masks, whose data says the number of classes."""
    name = 'vit-small-p16_amd-pre_b16-upernet-50e_own-masks-512x512'
    cfg = nuclei.small(name, tmp_path, tmp_path / 'nowhere.pth')
    model = trial_segmentor(cfg)
    assert cfg.model.decode_head.num_classes is None and model.training
    return model


def host_loss(model: nn.Module, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
    """mmsegmentation's own, of class 0 everywhere."""
    samples = []
    for image in inputs:
        sample = SegDataSample(metainfo=dict(img_shape=image.shape[1:]))
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, *image.shape[1:], dtype=torch.long))
        samples.append(sample)
    return model.loss(inputs, samples)


def test_losses_and_operations_of_a_segmentor_are_the_hosts(segmentor):
    segmentor.eval()  # without dropout and drop path
    inputs = trial_inputs(segmentor, 2)
    assert inputs.shape == (2, 3, 64, 64)
    found, expected = segmentation_losses(segmentor, inputs), host_loss(segmentor, inputs)
    # The auxiliary head has a weight of 0.4.
    torch.testing.assert_close(found['decode.loss'], expected['decode.loss_ce'])
    torch.testing.assert_close(.4 * found['aux.loss'], expected['aux.loss_ce'])
    segmentor.train()
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        losses = host_loss(segmentor, inputs)
        (losses['decode.loss_ce'] + losses['aux.loss_ce']).backward()
    imagined = count_flops(segmentor, lambda model: segmentation_losses(model, inputs))
    assert sum(imagined.values()) == counter.get_total_flops()


def test_memory_of_a_segmentor_is_what_the_hosts_step_allocates(segmentor):
    def step() -> None:
        losses = host_loss(segmentor, torch.zeros(4, 3, 64, 64))
        (losses['decode.loss_ce'] + losses['aux.loss_ce']).backward()
    estimated = step_memory(segmentor, (4, 3, 64, 64), losses=segmentation_losses)
    assert .7 < estimated / allocated(step)[0] <= 1


def test_operations_of_a_detector_are_those_of_the_hosts_step(tmp_path):
    """Of all parts but RoIAlign, with 8 regions of each of two pictures of nuclei."""
    root = detectors.make_set(tmp_path / 'set')
    cfg = detectors.small(detectors.OWN_BOXES, tmp_path, None, root)
    cfg.model.train_cfg.rcnn.sampler.num = 8
    model = tiny_vits.randomise(trial_detector(cfg), seed=5).train()
    step = DATASETS.build(cfg.train_dataloader.dataset)
    samples = [step.dataset.prepare_data(0) for _ in range(2)]
    batch = model.data_preprocessor(dict(
        inputs=[sample['inputs'] for sample in samples],
        data_samples=[sample['data_samples'] for sample in samples]), training=True)
    regions: list[int] = []
    model.roi_head.bbox_head.register_forward_pre_hook(
        lambda _, inputs: regions.append(len(inputs[0])))
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        model(batch['inputs'], batch['data_samples'], mode='loss')
    by_module = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    by_part = {part: by_module[f'{type(model).__name__}.{part}'] for part in (
        'backbone', 'neck', 'rpn_head', 'roi_head.bbox_head')}
    # As random proposals overlap, fewer may be there than are asked for.
    by_part['roi_head.bbox_head'] *= 16 / regions.pop()
    expected = sum(by_part.values())
    inputs = trial_inputs(model, 2, size=(detectors.SIZE, detectors.SIZE))
    found = count_flops(model, lambda model: detection_losses(model, inputs))
    assert found['losses'] == expected
    # But for gradients of pixels and of the regions' pooled values.
    assert 1.9 * expected < found['backward'] <= 2 * expected


def test_masks_cost_what_their_head_does(tmp_path):
    cfg = detectors.small(detectors.OWN, tmp_path, None, tmp_path)
    cfg.model.train_cfg.rcnn.sampler.num = 8
    model = trial_detector(cfg)
    inputs = trial_inputs(model, 1, size=(detectors.SIZE, detectors.SIZE))
    whole = count_flops(model, lambda model: detection_losses(model, inputs))['losses']
    with FlopCounterMode(display=False) as counter:
        model.roi_head.mask_head(torch.zeros(2, 16, 14, 14))
    model.roi_head.mask_head = None
    without = count_flops(model, lambda model: detection_losses(model, inputs))['losses']
    assert whole - without == counter.get_total_flops()
