"""Runs whose data set sleeps, on a clock that only moves when somebody sleeps."""
import json
import re
from itertools import chain, repeat
from pathlib import Path

import pytest
import torch
from clips import write_video
from clock import Clock
from golden import amd_video_config
from hand_count import Sizes, block, hand_count, linear
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, TRANSFORMS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.structures import BaseDataElement
from recipes import CONFIGS
from runs import recorded, run, run_processes, toy_config, weights
from tiny_vits import pretraining
from toys import ToyModel

from amd_mm.engine.hooks import throughput_hook
from amd_mm.engine.hooks.throughput_hook import ThroughputHook
from amd_mm.registry import MODELS

RATE = 1e9
STEP = .03
BATCH = 4  # clips: 2 videos with 2 repeats each
CLOCK = Clock()


@TRANSFORMS.register_module()
class PackSleepily:
    """Packs a clip of tiny_vits' size; each takes the next of ``seconds``, and then the last."""

    def __init__(self, seconds: list[float]) -> None:
        self.seconds = list(seconds)

    def __call__(self, results: dict) -> dict:
        CLOCK.sleep(self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0])
        return dict(inputs=torch.randn(1, 3, 4, 32, 32), data_samples=BaseDataElement())


@HOOKS.register_module()
class StepHook(Hook):
    """A step takes STEP seconds."""

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        CLOCK.sleep(STEP)


@ROOT_MODELS.register_module()
def tiny_amd() -> torch.nn.Module:
    return pretraining('video', amd=True)


@ROOT_MODELS.register_module()
class ToyThatLooks(ToyModel):
    """Its computation hangs on a value."""

    def forward(self, inputs: torch.Tensor, data_samples: list, mode: str) -> dict:
        losses = super().forward(inputs, data_samples, mode)
        losses['loss_rec'].item()
        return losses


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr('mmengine.hooks.iter_timer_hook.time', CLOCK)
    monkeypatch.setattr(throughput_hook, 'matrix_rate', lambda device, dtype, seconds: RATE)


def sleepy(work_dir: Path, seconds: list[float], **hook: float) -> Config:
    """20 iterations of BATCH clips, each of which takes ``seconds`` to load."""
    cfg = toy_config(work_dir, size=40, max_epochs=1)
    cfg.model = dict(type='tiny_amd')
    cfg.train_dataloader.dataset.pipeline = [dict(type='PackSleepily', seconds=seconds)]
    cfg.custom_hooks = [dict(type='amd_mm.ThroughputHook', **hook), dict(type='StepHook')]
    return cfg


def log_of(cfg: Config) -> tuple[list[dict], str]:
    """The lines of the JSON log, and the text."""
    work_dir = Path(cfg.work_dir)
    lines = next(work_dir.glob('*/vis_data/2*.json')).read_text().splitlines()
    return [json.loads(line) for line in lines], next(work_dir.glob('*/*.log')).read_text()


@pytest.mark.slow
def test_slow_data_show_in_the_figures_and_in_one_warning(tmp_path):
    cfg = sleepy(tmp_path, [.01], warm_up=2, window=4)
    run(cfg)
    lines, text = log_of(cfg)
    assert len(lines) == 20 and 'data_wait_share' not in lines[0]
    seconds = STEP + BATCH * .01
    tiny = Sizes(visible=8, extra=8, masked=24, pixels=2 * 8 * 8 * 3, width=24, depth=2,
                 decoder_width=16, decoder_depth=2, teacher_width=24, teacher_depth=2, pairs=2,
                 generator_depth=2)
    flops = BATCH * sum(hand_count(tiny).values())
    for line in lines[1:]:
        assert line['time'] == pytest.approx(seconds)
        assert line['data_wait_share'] == pytest.approx(BATCH * .01 / seconds)
        assert line['clips_per_second'] == pytest.approx(BATCH / seconds)
        assert line['utilisation'] == pytest.approx(flops / seconds / RATE)
    assert text.count('was spent waiting for data') == 1
    assert f'{BATCH * .01 / seconds:.0%} of the time of the last 4 iterations' in text
    assert 'num_workers, now 0 a process' in text


@pytest.mark.parametrize('seconds', [
    pytest.param([.001], id='12 % all the time'),
    pytest.param([1.] * 3 * BATCH + [0.], id='much in the first iterations only')])
def test_no_warning_without_need(tmp_path, seconds):
    cfg = sleepy(tmp_path, seconds, warm_up=3, window=4)
    run(cfg)
    assert 'waiting' not in log_of(cfg)[1]


def test_figures_are_means_over_the_window_of_the_log(tmp_path):
    # the loader is a clip ahead of nobody: each iteration loads its own BATCH clips
    cfg = sleepy(tmp_path, [.01] * 10 * BATCH + [.03])
    cfg.log_processor = dict(window_size=10)
    run(cfg)
    line = log_of(cfg)[0][14]  # iterations 6 to 15: 5 fast ones and 5 slow ones
    waited = 5 * BATCH * (.01 + .03)
    assert line['time'] == pytest.approx((waited + 10 * STEP) / 10)
    assert line['data_wait_share'] == pytest.approx(waited / (waited + 10 * STEP))
    assert line['clips_per_second'] == pytest.approx(10 * BATCH / (waited + 10 * STEP))


@pytest.mark.slow
def test_a_run_is_the_same_with_and_without(tmp_path):
    def last(name: str, hooks: list[dict]) -> tuple[dict, torch.Tensor]:
        cfg = sleepy(tmp_path / name, [0.])
        cfg.custom_hooks = [*hooks, dict(type='StepHook')]
        run(cfg)
        return weights(cfg, 'epoch_1.pth'), torch.get_rng_state()
    state, random = last('without', [])
    for name, value in last('with', [dict(type='amd_mm.ThroughputHook')])[0].items():
        assert torch.equal(value, state[name]), name
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.slow
def test_several_processes_add_up(tmp_path):
    toy = toy_config(tmp_path / 'toy', size=24, max_epochs=1)
    # A teacher whose weights are shared out must not be imagined: its hooks would notice.
    sharded = toy_config(tmp_path / 'sharded', size=4, batch_size=1, max_epochs=1)
    for number in range(4):
        write_video(tmp_path / 'sharded' / f'{number}.mp4', 20)
    sharded.model = amd_video_config()
    sharded.model.teacher.shard = True
    sharded.train_dataloader.dataset.dataset = dict(
        type='amd_mm.VideoDataset', data_prefix=dict(video=sharded.work_dir),
        pipeline=[dict(type='amd_mm.PyAVInit'),
                  dict(type='amd_mm.SampleStridedFrames', clip_len=8, frame_interval=2),
                  dict(type='amd_mm.PyAVDecode')])
    sharded.train_dataloader.dataset.pipeline = [
        dict(type='mmaction.Resize', scale=(32, 32), keep_ratio=False),
        dict(type='mmaction.FormatShape', input_format='NCTHW'),
        dict(type='mmaction.PackActionInputs')]
    for cfg in (toy, sharded):
        cfg.custom_hooks = [dict(type='amd_mm.ThroughputHook')]
        cfg.log_processor = dict(window_size=1)
    run_processes(2, toy, sharded)

    lines = log_of(toy)[0]
    assert len(lines) == 6
    for line in lines[1:]:
        # vectors, which are no clips, pass for images
        assert line['images_per_second'] == pytest.approx(2 * BATCH / line['time'])
        assert line['data_wait_share'] == pytest.approx(line['data_time'] / line['time'])
    # The same operations in every iteration, at the same rate of the machine.
    work = [line['utilisation'] * line['time'] for line in lines[1:]]
    assert work == pytest.approx([work[0]] * 5) and work[0] > 0
    first, second = log_of(sharded)[0]
    # A video of 2 repeats in each of the 2 processes.
    assert second['clips_per_second'] == pytest.approx(4 / second['time'])
    assert 'utilisation' not in second


@pytest.mark.slow
def test_a_compiled_model_has_the_same_figures(tmp_path):
    def utilisation(name: str, **settings: dict) -> float:
        cfg = toy_config(tmp_path / name, max_epochs=1)
        cfg.custom_hooks = [dict(type='amd_mm.ThroughputHook'), dict(type='StepHook')]
        cfg.merge_from_dict(settings)
        run(cfg)
        return log_of(cfg)[0][-1]['utilisation']
    as_it_is = utilisation('as it is')
    assert utilisation('compiled', compile=dict(backend='eager')) == as_it_is > 0


def test_a_step_is_no_faster_than_the_machine(tmp_path, monkeypatch):
    """It is measured again where it was busy; what it did, it can do."""
    for again, expected in ((RATE, None), (2., 1.)):
        measured = chain([1.], repeat(again))
        monkeypatch.setattr(throughput_hook, 'matrix_rate',
                            lambda device, dtype, seconds, rates=measured: next(rates))
        cfg = sleepy(tmp_path / str(again), [0.])
        run(cfg)
        found = [line['utilisation'] for line in log_of(cfg)[0][1:]]
        assert len(found) == 19
        if expected is None:
            assert all(0 < value < 1 for value in found)
        else:
            assert found == pytest.approx([1.] * 19)


def test_a_model_that_looks_at_values_has_no_utilisation(tmp_path):
    cfg = toy_config(tmp_path, max_epochs=1)
    cfg.model = dict(type='ToyThatLooks')
    cfg.custom_hooks = [dict(type='amd_mm.ThroughputHook'), dict(type='StepHook'),
                        dict(type='RecordHook')]
    cfg.log_level = 'INFO'
    run(cfg)
    lines, text = log_of(cfg)
    assert len(recorded(cfg)) == len(lines) == 5
    assert all('utilisation' not in line for line in lines)
    assert lines[-1]['images_per_second'] == pytest.approx(BATCH / STEP)
    assert len(re.findall('no utilisation.*ToyThatLooks cannot be counted', text)) == 1


def test_a_hosts_fine_tuning_is_counted():
    """With mixup, which changes labels in place and draws from numpy."""
    model = MODELS.build(dict(
        type='mmpretrain.ImageClassifier',
        backbone=dict(type='mmpretrain.VisionTransformer', img_size=32, patch_size=8, arch=dict(
            embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96)),
        head=dict(type='mmpretrain.VisionTransformerClsHead', num_classes=5, in_channels=24,
                  loss=dict(type='mmpretrain.LabelSmoothLoss', label_smooth_val=.1,
                            mode='original')),
        data_preprocessor=dict(type='mmpretrain.ClsDataPreprocessor', num_classes=5),
        train_cfg=dict(augments=dict(type='mmpretrain.Mixup', alpha=.8)))).train()
    from mmpretrain.structures import DataSample
    samples = [DataSample().set_gt_label(label) for label in (0, 1, 4)]
    batch = dict(inputs=[torch.zeros(3, 32, 32, dtype=torch.uint8)] * 3, data_samples=samples)
    embedding, rest = linear(16, 3 * 8 * 8, 24), 2 * block(17, 24) + linear(1, 24, 5)
    assert sum(throughput_hook._count(model, batch).values()) == 3 * (2 * embedding + 3 * rest)
    assert [sample.gt_label.tolist() for sample in samples] == [[0], [1], [4]]
    assert all('gt_score' not in sample for sample in samples)


def test_recipes_have_it():
    cfg = Config.fromfile(CONFIGS / '_base_/default_runtime.py')
    assert dict(type='amd_mm.ThroughputHook') in cfg.custom_hooks


@pytest.mark.parametrize('setting', [dict(max_wait=0), dict(max_wait=1), dict(warm_up=0),
                                     dict(window=0)])
def test_numbers_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f'{next(iter(setting))} of ThroughputHook must'):
        ThroughputHook(**setting)


def test_a_run_without_a_timer_is_refused(tmp_path):
    cfg = sleepy(tmp_path, [0.])
    cfg.default_hooks.timer = None
    with pytest.raises(ValueError, match='IterTimerHook'):
        run(cfg)
