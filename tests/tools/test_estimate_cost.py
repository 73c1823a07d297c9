import json
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import detectors
import nuclei
import pytest
import torch
from hand_count import SHRUNK_VIDEO_BASE, hand_count
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from recipes import CONFIGS, shrink
from runs import recorded, run, run_tool, toy_config

from amd_mm.profiling import (
    count_flops,
    detection_losses,
    segmentation_losses,
    step_memory,
    trial_detector,
    trial_segmentor,
)

TOOLS = Path(__file__).parents[2] / 'tools/analysis_tools'
RECIPE = CONFIGS / 'amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'
FLOPS = sum(hand_count(SHRUNK_VIDEO_BASE).values())  # of a clip of the shrunk recipe


@pytest.fixture
def config(tmp_path) -> Path:
    """The recipe, shrunk: 16 videos a GPU with 4 repeats each."""
    cfg = Config.fromfile(RECIPE)
    shrink(cfg)
    cfg.dump(tmp_path / 'config.py')
    return tmp_path / 'config.py'


@pytest.fixture
def command(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[dict, str]]:
    """Runs a tool; returns its numbers and what it printed."""
    def run(tool: str, *arguments: str | Path) -> tuple[dict, str]:
        file = tmp_path / 'numbers.json'
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments), '--json', str(file)])
        run_tool(TOOLS / tool)
        return json.loads(file.read_text()), capsys.readouterr().out
    return run


def test_time_and_rates_follow_from_the_hand_count(config, command):
    numbers, printed = command('estimate_cost.py', config, '--gpus', '2', '--gpu-tflops', '1e-3',
                               '--utilisation', '.5', '--samples', '1000',
                               '--cfg-options', 'global_batch_size=32')
    # 31 updates of 32 videos an epoch, the rest of 8 is left out
    assert numbers['updates'] == 31 * 200 and numbers['batches_an_update'] == 1
    seconds = 16 * 4 * FLOPS / (.5 * 1e-3 * 1e12)
    assert numbers['seconds_a_batch'] == pytest.approx(seconds)
    assert numbers['hours'] == pytest.approx(31 * 200 * seconds / 3600)
    assert numbers['gpu_hours'] == pytest.approx(2 * numbers['hours'])
    assert numbers['samples_per_second'] == pytest.approx(2 * 16 / seconds)
    assert numbers['inputs_per_second'] == pytest.approx(2 * 16 * 4 / seconds)
    assert numbers['flops_an_input_by_part'] == hand_count(SHRUNK_VIDEO_BASE)
    assert f'{numbers["gpu_hours"]:.0f} GPU-hours' in printed
    assert 'the learning rate of the recipe belongs to 512 samples' in printed


def test_estimate_from_a_measured_step_is_the_measured_time(config, command):
    """Fed with the rate and utilisation of a measured run, the estimate gives its time back."""
    measured, _ = command('benchmark_step.py', config, '--device', 'cpu', '--precision', 'fp32',
                          '--batch-size', '8', '--steps', '3')
    estimated, _ = command(
        'estimate_cost.py', config, '--gpus', '1', '--samples', '20',
        '--gpu-tflops', measured['matrix_flops_per_second'] / 1e12,
        '--utilisation', measured['utilisation'],
        '--cfg-options', 'train_dataloader.batch_size=2', 'global_batch_size=2')
    assert estimated['inputs_a_batch'] == measured['batch_size']
    assert estimated['seconds_a_batch'] == pytest.approx(measured['seconds_median'])
    assert estimated['inputs_per_second'] == pytest.approx(measured['clips_per_second'])
    # 10 iterations an epoch, 200 epochs
    assert estimated['hours'] * 3600 == pytest.approx(2000 * measured['seconds_median'])


def test_a_run_takes_the_estimated_iterations(config, tmp_path, command):
    numbers, _ = command(
        'estimate_cost.py', config, '--gpus', '1', '--gpu-tflops', '1', '--samples', '23',
        '--cfg-options', 'train_dataloader.batch_size=3', 'train_cfg.max_epochs=2',
        'global_batch_size=6')
    cfg = toy_config(tmp_path / 'run', size=23, batch_size=3, max_epochs=2)
    cfg.global_batch_size = 6
    run(cfg)
    assert numbers['updates'] == len(recorded(cfg)) == 6
    assert numbers['batches_an_update'] == 2 and numbers['samples_an_update'] == 6


def test_memory_of_the_parts(config, command):
    def memory(*options: str) -> dict[str, int]:
        numbers, _ = command('estimate_cost.py', config, '--gpu-tflops', '1', '--samples',
                             '10000', *options)
        assert numbers['memory_bytes'] == sum(numbers['memory_bytes_by_part'].values())
        return numbers['memory_bytes_by_part']
    one, several = memory('--gpus', '1'), memory('--gpus', '8')

    tool = runpy.run_path(str(TOOLS / 'estimate_cost.py'))
    cfg = Config.fromfile(config)
    model = tool['trial_model'](cfg)
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(type='AdamW')))
    clips = torch.zeros(2, 3, *model.backbone.grid.input_size)
    wrapper.update_params(sum(model.loss(clips).values()))
    moments = sum(value.nbytes for state in wrapper.optimizer.state.values()
                  for name, value in state.items() if name != 'step')
    trained = sum(w.nbytes for w in model.parameters() if w.requires_grad)
    assert one['optimizer'] == several['optimizer'] == moments == 2 * trained
    assert one['gradient buckets'] == 0 and several['gradient buckets'] == trained
    assert one['teacher'] == sum(
        t.nbytes for t in [*model.teacher.parameters(), *model.teacher.buffers()])
    sharded = memory('--gpus', '8', '--cfg-options', 'model.teacher.shard=True')
    block = sum(w.nbytes for w in model.teacher.backbone.blocks[0].parameters())
    assert sharded['teacher'] == one['teacher'] // 8 + 2 * block
    config_of_two, sizes = cfg.copy(), {}
    config_of_two.model = dict(cfg.model, taps=None, neck=None, teacher=[
        dict(name=name, taps=cfg.model.taps, neck=cfg.model.neck,
             teacher=dict(cfg.model.teacher, shard=name == 'b')) for name in 'ab'])
    for gpus in (1, 8):
        sizes[gpus] = tool['estimate_memory'](tool['trial_model'](config_of_two), cfg, 1, gpus)
    assert sizes[1]['teacher'] == 2 * one['teacher']
    assert sizes[8]['teacher'] == one['teacher'] + sharded['teacher']
    assert one['activations and gradients'] == several['activations and gradients']

    smaller = memory('--gpus', '1', '--cfg-options', 'train_dataloader.batch_size=8')
    recomputing = memory('--gpus', '1', '--cfg-options', 'model.with_cp=True')
    whole = memory('--gpus', '1', '--cfg-options', 'optim_wrapper.type=OptimWrapper')
    name = 'activations and gradients'
    assert .4 * one[name] < smaller[name] < .7 * one[name]
    assert recomputing[name] < .95 * one[name] and whole[name] > 1.05 * one[name]


def test_samples_of_the_config_are_counted(config, tmp_path, command):
    (tmp_path / 'list.txt').write_text(''.join(f'{n}.mp4 0\n' for n in range(70)))
    numbers, _ = command(
        'estimate_cost.py', config, '--gpus', '4', '--gpu-tflops', '1',
        '--cfg-options', f'train_dataloader.dataset.dataset.ann_file={tmp_path / "list.txt"}',
        'global_batch_size=64')
    assert numbers['samples'] == 70 and numbers['updates'] == 200


def test_a_segmentation_recipe(tmp_path, command):
    """Time of a crop, updates of the epochs; norms and losses are no matrix products."""
    name = 'vit-small-p16_amd-pre_b16-upernet-127e_ade20k-512x512'
    cfg = nuclei.small(name, tmp_path, tmp_path / 'nowhere.pth')
    cfg.train_cfg.max_epochs = 127
    cfg.dump(tmp_path / 'config.py')
    numbers, printed = command(
        'estimate_cost.py', tmp_path / 'config.py', '--gpus', '2', '--gpu-tflops', '1e-3',
        '--utilisation', '1', '--samples', '20210', '--cfg-options', 'global_batch_size=16')
    assert numbers['updates'] == 127 * 1263 and numbers['batches_an_update'] == 4
    model = trial_segmentor(cfg)
    two = torch.zeros(2, 3, 64, 64)
    flops = count_flops(model, lambda model: segmentation_losses(model, two))
    assert numbers['flops_an_input_by_part'] == {part: n // 2 for part, n in flops.items()}
    assert numbers['seconds_a_batch'] == pytest.approx(sum(flops.values()) / 1e9)
    assert numbers['memory_bytes_by_part']['activations and gradients'] == step_memory(
        model, (2, 3, 64, 64), torch.bfloat16, accumulating=True, losses=segmentation_losses)
    assert 'samples an update' not in printed


def test_a_detection_recipe(tmp_path, command, capsys):
    cfg = detectors.small(detectors.COCO, tmp_path, tmp_path / 'nowhere.pth', tmp_path)
    cfg.train_cfg.max_epochs = 100
    cfg.dump(tmp_path / 'config.py')
    options = ('--gpus', '2', '--gpu-tflops', '1e-3', '--utilisation', '1', '--samples', '117266')
    numbers, _ = command('estimate_cost.py', tmp_path / 'config.py', *options,
                         '--cfg-options', 'global_batch_size=64')
    assert numbers['updates'] == 100 * 1832 and numbers['batches_an_update'] == 16
    model = trial_detector(cfg)
    two = torch.zeros(2, 3, detectors.SIZE, detectors.SIZE)
    flops = count_flops(model, lambda model: detection_losses(model, two))
    assert numbers['flops_an_input_by_part'] == {part: n // 2 for part, n in flops.items()}
    assert numbers['memory_bytes_by_part']['activations and gradients'] == step_memory(
        model, tuple(two.shape), torch.float16, accumulating=True, losses=detection_losses)
    cfg.train_dataloader.dataset.dataset.pipeline = []
    cfg.dump(tmp_path / 'config.py')
    with pytest.raises(SystemExit):
        command('estimate_cost.py', tmp_path / 'config.py', *options,
                '--cfg-options', 'global_batch_size=64')
    assert 'must cut pictures (crop_size)' in capsys.readouterr().err


@pytest.mark.parametrize('recipe, options, expected', [
    (None, ['--samples', '15'], 'at least one update of 512 samples, got a data set of 15'),
    (None, [], 'cannot be read .*; give --samples'),
    ('dmae/dmae_vit-base-p16_b4096-100e_in1k.py', [], 'cannot be read .*; give --samples'),
    ('finetune/vit-base-p16_amd-pre_b1024-coslr-100e_in1k.py', [], 'pre-training config is'),
    (None, ['--utilisation', '45'], 'utilisation in'),
    (None, ['--samples', '-5'], "--samples: must be a whole number of at least 1, got '-5'"),
    (None, ['--samples', '500', '--cfg-options', 'train_cfg._delete_=True',
            'train_cfg.max_iters=3'], 'must count in epochs'),
])
def test_what_cannot_be_estimated_is_said(config, command, capsys, recipe, options, expected):
    with pytest.raises(SystemExit) as stop:
        command('estimate_cost.py', CONFIGS / recipe if recipe else config, '--gpus', '1',
                '--gpu-tflops', '1', *options)
    assert re.search(expected, f'{stop.value.code}{capsys.readouterr().err}')
