"""Tiny pre-trainings of noise."""
import copy

import golden
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset


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


def train(work_dir, model: dict, shape: tuple, hooks: list,
          backends=('LocalVisBackend', ), saves: int = 2) -> Runner:
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
        visualizer=dict(type='Visualizer', vis_backends=[
            dict(type=backend) if isinstance(backend, str) else backend for backend in backends]),
        randomness=dict(seed=0),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=saves, by_epoch=False),
                           logger=dict(type='LoggerHook', interval=1)),
        log_level='WARNING')))
    runner.train()
    return runner
