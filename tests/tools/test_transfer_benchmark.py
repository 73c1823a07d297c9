"""The command: every recipe it names, and a small student's transfers, whole and interrupted."""
import json
import runpy
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_vits
import torch
from mmengine.config import Config
from recipes import CONFIGS, encoder_size
from runs import run_tool
from transfer import make_pictures, make_student, small, use_pictures

from amd_mm.registry import MODELS

TOOLS = Path(__file__).parents[2] / 'tools'
FINETUNE = 'vit-small-p16_amd-pre_b1024-coslr-100e_in1k'
KNN = 'vit-small-p16_knn_in1k'


@pytest.fixture
def benchmark(tmp_path, monkeypatch):
    """The tool's names; ``run(*arguments)`` is its command, for a student of this size."""
    names = runpy.run_path(str(TOOLS / 'transfer_benchmark.py'))
    names['SIZES'][tiny_vits.WIDTH, tiny_vits.DEPTH] = 'small'
    # Functions of a module look names up in the module's own dictionary.
    inside = names['plan'].__globals__

    def run(*arguments) -> int:
        monkeypatch.setattr(sys, 'argv', ['transfer_benchmark.py', *map(str, arguments)])
        return inside['main']()

    return SimpleNamespace(run=run, inside=inside)


def result(work_dir: Path) -> dict:
    return json.loads((work_dir / 'transfer.json').read_text())['tasks']


@pytest.mark.parametrize('size', ['small', 'base'])
def test_every_task_names_recipes_of_its_size(benchmark, size):
    width, depth = dict(small=(384, 12), base=(768, 12))[size]
    for name, task in benchmark.inside['TASKS'].items():
        assert len(task.recipes[size]) == (3 if name in ('ucf101', 'hmdb51') else 1)
        assert len(set(task.recipes[size])) == len(task.recipes[size])
        for recipe in task.recipes[size]:
            config = Config.fromfile(CONFIGS / recipe)
            assert encoder_size(config.model.backbone)[:2] == (width, depth)
            is_video = 'Video' in config.model.backbone.type
            assert is_video == (task.modality == 'video')
            assert task.is_trained == ('init_cfg' in config.model.backbone)
            assert config.get('auto_scale_lr') or not task.is_trained


def test_the_published_numbers_are_those_of_the_papers(benchmark):
    found = {(name, size, method): value for name, task in benchmark.inside['TASKS'].items()
             for size, methods in task.published.items() for method, value in methods.items()}
    assert found == {
        ('in1k-ft', 'small', 'AMD'): 82.1, ('in1k-ft', 'base', 'AMD'): 84.6,
        ('in1k-ft', 'base', 'DMAE'): 84.0, ('k400', 'small', 'AMD'): 80.1,
        ('k400', 'base', 'AMD'): 82.2, ('sthv2', 'small', 'AMD'): 70.2,
        ('sthv2', 'base', 'AMD'): 73.3, ('sthv2', 'base', 'VideoMAE'): 69.6,
        ('ucf101', 'base', 'AMD'): 97.1, ('hmdb51', 'base', 'AMD'): 79.6,
        ('ade20k', 'base', 'MAE'): 48.1, ('coco', 'base', 'MAE'): 51.6,
        ('ava', 'base', 'AMD'): 29.9, ('ava-k400', 'base', 'AMD'): 33.5}


@pytest.mark.parametrize('modality', ['image', 'video'])
def test_size_and_kind_are_read_from_the_checkpoint(benchmark, tmp_path, capsys, modality):
    vit = dict(type='amd_mm.ImageVisionTransformer', arch='deit-small')
    if modality == 'video':
        vit = dict(type='amd_mm.VideoVisionTransformer', embed_dims=384, num_heads=6,
                   use_mean_pooling=False)
    model = MODELS.build(vit)
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in
                                model.state_dict().items()}), path)
    student = benchmark.inside['read_student'](str(path))
    assert (student.modality, student.size) == (modality, 'small')
    other = dict(image='sthv2', video='in1k-ft')[modality]
    assert benchmark.run(path, '--tasks', f'{other},nonsense', '--work-dir', tmp_path) == 2
    assert f'got {other}, nonsense' in capsys.readouterr().err


def test_students_without_recipes_are_refused(benchmark, tmp_path, capsys):
    model = tiny_vits.image_vit(width=48)
    path = tmp_path / 'student.pth'
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in
                                model.state_dict().items()}), path)
    assert benchmark.run(path) == 2
    assert 'small (width 384, depth 12)' in capsys.readouterr().err
    torch.save(model.state_dict(), path)
    assert benchmark.run(path) == 2
    assert 'keys that start with "backbone."' in capsys.readouterr().err
    assert benchmark.run(tmp_path / 'no.pth') == 2
    assert 'no.pth' in capsys.readouterr().err


def test_commands_for_a_cluster(benchmark, tmp_path, capsys):
    student = make_student(tmp_path / 'student.pth', 'video')
    arguments = [student, '--work-dir', tmp_path / 'out', '--print-commands', '--tasks']
    assert benchmark.run(*arguments, 'ava-k400,ucf101,k400', '--launcher', 'slurm', '--gpus', 16,
                         '--partition', 'gpu', '--cfg-options', 'train_dataloader.batch_size=4',
                         "model.backbone.zzz='[1,2]'") == 2
    assert "got 'zzz'" in capsys.readouterr().err
    assert benchmark.run(*arguments, 'ava-k400,ucf101,k400', '--launcher', 'slurm', '--gpus', 16,
                         '--partition', 'gpu', '--cfg-options', 'train_dataloader.batch_size=4',
                         "custom_hooks='[]'") == 0
    lines = capsys.readouterr().out.splitlines()
    commands = [shlex.split(line) for line in lines if not line.startswith('#')]
    # Training and a test each; with Kinetics labels after Kinetics.
    assert len(commands) == 2 * (1 + 3 + 1) and len(lines) - len(commands) == 5
    train, test = commands[:2]
    stem = 'vit-small-p16_k400-amd-pre_b512-16x4x1-150e_kinetics400-rgb'
    folder, = {word for word in train if word.startswith(str(tmp_path / 'out' / stem))}
    config = str(CONFIGS / f'finetune/{stem}.py')
    options = ['train_dataloader.batch_size=4', "custom_hooks='[]'"]
    assert train == [
        'GPUS=16', 'bash', str(TOOLS / 'slurm_train.sh'), 'gpu', f'train-{stem}', config,
        '--resume', '--auto-scale-lr', '--work-dir', folder, '--cfg-options',
        f'model.backbone.init_cfg.checkpoint={student}', *options]
    assert test == [
        'GPUS=16', 'bash', str(TOOLS / 'slurm_test.sh'), 'gpu', f'test-{stem}', config,
        f'{folder}/epoch_150.pth', '--work-dir', f'{folder}/test', '--cfg-options', *options]
    assert f'model.backbone.init_cfg.checkpoint={folder}/epoch_150.pth' in commands[-2]

    assert benchmark.run(*arguments, 'sthv2', '--launcher', 'pytorch', '--gpus', 4) == 0
    train, test = [shlex.split(line) for line in capsys.readouterr().out.splitlines()[1:]]
    assert train[:2] + train[3:4] == ['bash', str(TOOLS / 'dist_train.sh'), '4']
    assert test[:2] + test[4:5] == ['bash', str(TOOLS / 'dist_test.sh'), '4']


class Fake:
    """Stands for what runs stages: writes what they leave, and remembers what was asked."""

    def __init__(self, metric: str, value: float, broken: str = 'nothing') -> None:
        self.metric, self.value, self.broken = metric, value, broken
        self.asked: list[str] = []

    def __call__(self, run, jobs, folder, threads) -> 'Fake':
        assert jobs == 1 and threads is None
        return self

    def run_all(self, stages) -> None:
        for stage in stages:
            self.run(stage)

    def run(self, stage) -> None:
        words = [word for word in stage.command if word.endswith('.py')]
        kind, recipe = Path(words[0]).stem, Path(words[1]).stem
        self.asked.append(f'{kind} {recipe}')
        if self.broken in self.asked[-1]:
            raise ValueError(f'{stage.name} ended with status 1')
        work_dir = Path(stage.command[stage.command.index('--work-dir') + 1])
        if kind == 'train':
            work_dir.mkdir(parents=True, exist_ok=True)
            epochs = Config.fromfile(words[1]).train_cfg.max_epochs
            (work_dir / f'epoch_{epochs}.pth').touch()
        else:
            (work_dir / 'time').mkdir(parents=True)
            (work_dir / 'time' / 'time.json').write_text(json.dumps({self.metric: self.value}))


def test_goes_on_where_it_stopped(benchmark, tmp_path, capsys):
    student = make_student(tmp_path / 'student.pth', 'video')
    out = tmp_path / 'out'
    arguments = [student, '--work-dir', out, '--tasks', 'ucf101,sthv2']
    failing = 'test vit-small-p16_k400-amd-pre_b128-16x4x1-100e_ucf101-split2-rgb'
    fake = benchmark.inside['StageRunner'] = Fake('acc/top1', .5, failing)
    assert benchmark.run(*arguments) == 1
    said = capsys.readouterr()
    assert '/test ended with status 1' in said.err and '1 of 2 tasks failed: ucf101' in said.err
    assert len(fake.asked) == 8
    found = result(out)
    assert found['sthv2']['ours'] == 50 and found['sthv2']['published'] == dict(AMD=70.2)
    assert found['ucf101']['ours'] is None
    table = (out / 'transfer.md').read_text()
    assert '| sthv2 | Something-Something V2, top-1, 2 x 3 views | AMD 70.2 | 50.0 |' in table
    assert '| ucf101 | UCF101, top-1, mean of 3 splits | none | failed, 2 of 3 runs' in table
    assert '| k400 | Kinetics-400, top-1, 5 x 3 views | AMD 80.1 | missing |' in table
    assert 'not measured here' in table and 'in1k' not in table

    # Only the test that failed is done again; the mean is of all splits.
    fake = benchmark.inside['StageRunner'] = Fake('acc/top1', .8)
    assert benchmark.run(*arguments) == 0
    assert fake.asked == [failing]
    assert result(out)['ucf101']['ours'] == pytest.approx(60)
    assert '| 60.0 (50.0, 80.0, 50.0) |' in (out / 'transfer.md').read_text()

    # Another setting is another run; tasks that are not asked for keep their results.
    assert benchmark.run(student, '--work-dir', out, '--tasks', 'sthv2', '--cfg-options',
                         'randomness.seed=1') == 0
    assert [line.split()[0] for line in fake.asked[1:]] == ['train', 'test']
    assert result(out)['sthv2']['ours'] == 80 and result(out)['ucf101']['ours'] == 60

    # What was done is a comment among the commands.
    capsys.readouterr()
    assert benchmark.run(*arguments, '--print-commands') == 0
    assert all(line.startswith('#') for line in capsys.readouterr().out.splitlines())

    # Another student does not mix with this one.
    state = tiny_vits.pretraining('video', seed=2).state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'other.pth')
    assert benchmark.run(tmp_path / 'other.pth', *arguments[1:]) == 2
    assert 'is of another student' in capsys.readouterr().err


def test_data_of_ones_own_is_asked_for(benchmark, tmp_path):
    student = make_student(tmp_path / 'student.pth', 'image')
    fake = benchmark.inside['StageRunner'] = Fake('mIoU', 41.5)
    arguments = [student, '--work-dir', tmp_path / 'out']
    assert benchmark.run(*arguments) == 0
    assert 'vit-small-p16_amd-pre_b16-upernet-127e_ade20k-512x512' in ' '.join(fake.asked)
    assert 'own' not in ' '.join(fake.asked)
    assert benchmark.run(*arguments, '--tasks', 'own-masks') == 0
    assert fake.asked[-1] == 'test vit-small-p16_amd-pre_b16-upernet-50e_own-masks-512x512'
    rows = result(tmp_path / 'out')
    assert rows['ade20k']['ours'] == rows['own-masks']['ours'] == 41.5


def test_what_builds_on_a_missing_run_says_so(benchmark, tmp_path, capsys):
    student = make_student(tmp_path / 'student.pth', 'video')
    fake = benchmark.inside['StageRunner'] = Fake('mAP/overall', .25)
    assert benchmark.run(student, '--work-dir', tmp_path, '--tasks', 'ava-k400,ava') == 1
    assert 'ava-k400 begins with what k400 fine-tunes' in capsys.readouterr().err
    assert len(fake.asked) == 2 and result(tmp_path)['ava']['ours'] == 25


def test_real_runs_on_real_pictures(benchmark, tmp_path, monkeypatch):
    """Fine-tuning, its test, and nearest neighbours, by the real tools in this process."""
    student = make_student(tmp_path / 'student.pth', 'image')
    pictures = make_pictures(tmp_path / 'pictures')
    for folder, name in (('finetune', FINETUNE), ('probe', KNN)):
        config = small(name, tmp_path / 'ignored', None)
        use_pictures(config, pictures)
        # Of two classes there are no five best.
        config.val_evaluator.topk = config.test_evaluator.topk = (1, )
        (tmp_path / 'configs' / folder).mkdir(parents=True)
        config.dump(tmp_path / 'configs' / folder / f'{name}.py')
    benchmark.inside['CONFIGS'] = tmp_path / 'configs'
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, True))
    asked = []

    class InThisProcess(Fake):
        def run(self, stage) -> None:
            # Runner keeps what it logs under this name, for the life of the process.
            options = [f'experiment_name={tmp_path.name}_{len(asked)}']
            if '--cfg-options' not in stage.command:
                options.insert(0, '--cfg-options')
            asked.append(Path(stage.command[1]).name)
            with monkeypatch.context() as patch:
                patch.setattr(sys, 'argv', [*stage.command[1:], *options])
                patch.setenv('LOCAL_RANK', '0')
                run_tool(stage.command[1])

    benchmark.inside['StageRunner'] = InThisProcess('accuracy/top1', 0)
    out = tmp_path / 'out'
    arguments = [student, '--work-dir', out, '--tasks', 'in1k-ft,knn']
    assert benchmark.run(*arguments) == 0
    assert asked == ['train.py', 'test.py', 'test.py']
    rows = result(out)
    for name in ('in1k-ft', 'knn'):
        run, = rows[name]['runs'].values()
        log, = Path(run['folder']).glob('test/*/*.json')
        assert rows[name]['ours'] == json.loads(log.read_text())['accuracy/top1']
        assert rows[name]['ours'] in (0, 25, 50, 75, 100)
    assert rows['in1k-lp']['ours'] is None
    # Nothing is left to be done.
    assert benchmark.run(*arguments) == 0 and len(asked) == 3
