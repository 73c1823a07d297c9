"""Pictures while training, and training that does not notice."""
import copy

import cv2
import golden
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset

from amd_mm.engine import ReconstructionHook
from amd_mm.inference import fixed_keys, reconstruct
from amd_mm.visualization import describe, draw_strip, reconstruction_views


@DATASETS.register_module()
class Noise(Dataset):
    """Eight pictures or clips without sample keys: masks then come from torch's generator."""

    metainfo = dict()

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.pixels = torch.randint(
            256, (8, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.pixels[index], data_samples=BaseDataElement())


def model_config(build, *arguments, **backbone) -> dict:
    taken = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.MODELS, 'build', lambda config: taken.update(copy.deepcopy(config)))
        build(*arguments)
    taken['backbone'].update(backbone)
    return taken


IMAGE = dict(model=model_config(golden.dmae_image, 'token', drop_rate=0.1, drop_path_rate=0.1),
             shape=(3, 32, 32))
CLIP = dict(model=model_config(golden.amd_video, drop_rate=0.1, drop_path_rate=0.1),
            shape=(1, 3, 8, 32, 32))


def train(work_dir, model: dict, shape: tuple, hooks: list, backend='LocalVisBackend') -> Runner:
    runner = Runner.from_cfg(Config(dict(
        work_dir=str(work_dir),
        experiment_name=str(work_dir).replace('/', '_'),
        default_scope=None,
        model=model,
        train_dataloader=dict(
            dataset=dict(type='Noise', shape=shape), batch_size=4, num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=True),
            collate_fn=dict(type='pseudo_collate' if len(shape) > 3 else 'default_collate')),
        train_cfg=dict(by_epoch=False, max_iters=4),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2)),
        custom_hooks=hooks,
        visualizer=dict(type='Visualizer', vis_backends=[dict(type=backend)]),
        randomness=dict(seed=0),
        log_level='WARNING')))
    runner.train()
    return runner


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
    train(tmp_path, hooks=[hook], backend='TensorboardVisBackend', **IMAGE).visualizer.close()
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
