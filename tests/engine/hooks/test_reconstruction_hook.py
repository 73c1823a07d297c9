"""Pictures while training, and training that does not notice."""

import cv2
import golden
import numpy as np
import pytest
import torch
from noise_runs import CLIP, IMAGE, model_config, train

from amd_mm.engine import ReconstructionHook
from amd_mm.inference import fixed_keys, reconstruct
from amd_mm.visualization import describe, draw_strip, reconstruction_views


@pytest.mark.slow
@pytest.mark.parametrize('case', [IMAGE, CLIP], ids=['image', 'clip'])
def test_weights_are_the_same_to_the_last_bit(tmp_path, case):
    hook = dict(type='amd_mm.ReconstructionHook', interval=1, num_samples=2)
    states = [train(tmp_path / str(len(hooks)), hooks=hooks, **case).model.state_dict()
              for hooks in ([], [hook])]
    assert len(list(tmp_path.glob('1/**/reconstruction_*.png'))) == 4
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


@pytest.mark.slow
def test_pictures_are_of_the_first_batch_as_the_model_sees_it_now(tmp_path):
    hook = dict(type='amd_mm.ReconstructionHook', interval=2, num_samples=2, max_frames=3)
    runner = train(tmp_path, hooks=[hook], **CLIP)
    files = sorted(tmp_path.glob('**/vis_image/*.png'))
    assert [file.name for file in files] == ['reconstruction_2.png', 'reconstruction_4.png']
    drawn = [cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB) for file in files]

    order = torch.Generator().manual_seed(0)
    first = torch.randperm(8, generator=order)[:4:2].tolist()  # evenly spaced in a batch of 4
    pixels = runner.train_dataloader.dataset.pixels
    views = reconstruction_views(
        *reconstruct(runner.model, [pixels[i] for i in first], fixed_keys(2)),
        runner.model.backbone.grid)
    assert np.array_equal(drawn[1], draw_strip(views, describe(runner.model), 3))
    assert drawn[0].shape == drawn[1].shape and not np.array_equal(*drawn)


@pytest.mark.slow
def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    hook = dict(type='amd_mm.ReconstructionHook', interval=2)
    train(tmp_path, hooks=[hook], backends=['TensorboardVisBackend'],
          **IMAGE).visualizer.close()
    events = EventAccumulator(str(next(tmp_path.glob('**/vis_data'))), dict(images=0))
    events.Reload()
    assert [image.step for image in events.Images('reconstruction')] == [2, 4]


def test_a_model_that_draws_nothing_is_refused(tmp_path):
    model = model_config(golden.amd_video)
    model.update(decoder=None, head=None, taps=(2, 4))
    with pytest.raises(ValueError, match='ReconstructionHook needs .* with a decoder, got AMD'):
        train(tmp_path, model, CLIP['shape'], [dict(type='amd_mm.ReconstructionHook')])


@pytest.mark.parametrize('name', ['interval', 'num_samples', 'max_frames'])
def test_numbers_are_checked(name):
    with pytest.raises(ValueError, match=f'{name} of ReconstructionHook .* at least 1, got 0'):
        ReconstructionHook(**{name: 0})
