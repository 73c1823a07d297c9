"""From folders to predictions and an export by the console script alone."""
import json
from pathlib import Path

import pytest
import tiny_vits
import torch
from clips import write_video
from encoder_files import save
from runs import command

import amd_mm

pytestmark = pytest.mark.slow
SMALL = ['model.backbone.depth=2', 'model.backbone.embed_dims=24', 'model.backbone.num_heads=3',
         'model.decoder.embed_dims=12', 'model.decoder.num_heads=3', 'model.decoder.depth=1']


def amd_mm_command(*words: object) -> str:
    return command('python', '-c', 'import sys; from amd_mm.command import main; sys.exit(main())',
                   *map(str, words))


def test_pretrain_finetune_predict_convert(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('dark', 'light'):
        Path('videos', name).mkdir(parents=True)
        for number in range(6):
            write_video(Path('videos', name, f'{number}.mp4'), 8, size=(40, 40))
    save(tiny_vits.video_vit(), Path('teacher.pth'))

    said = amd_mm_command('pretrain', '--data', 'videos', '--teacher', 'teacher.pth',
                          '--out', 'work', '--epochs', 1, '--batch', 4, '--cfg-options', *SMALL)
    assert '12 videos' in said and 'changed   batch: 4 samples x 1 processes x 1' in said
    # Whoever has one accelerator or none goes on from the config.
    command('python', Path(amd_mm.__file__).parents[1] / 'tools/train.py', 'work/config.py',
            '--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    assert Path('work/epoch_2.pth').is_file()

    said = amd_mm_command('finetune', '--data', 'videos', '--from', 'work/epoch_2.pth',
                          '--out', 'tuned', '--epochs', 1)
    assert '2 classes, 10 samples to train on and 2 to validate with' in said
    checkpoint = torch.load('tuned/epoch_1.pth', weights_only=False)
    assert checkpoint['meta']['dataset_meta']['classes'] == ('dark', 'light')

    said = amd_mm_command('predict', 'tuned/config.py', 'tuned/epoch_1.pth', 'videos/dark/0.mp4',
                          '--json', 'said.json')
    found, = json.loads(Path('said.json').read_text())
    assert {one['name'] for one in found['predictions']} == {'dark', 'light'}

    amd_mm_command('convert', 'work/epoch_2.pth', 'student', '--to', 'transformers',
                   '--part', 'encoder')
    whole = amd_mm.load_encoder('work/epoch_2.pth').features('videos/dark/0.mp4')
    exported = amd_mm.load_encoder('student').features('videos/dark/0.mp4')
    torch.testing.assert_close(exported, whole, rtol=1e-4, atol=1e-5)


def test_two_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('videos').mkdir()
    for number in range(4):
        write_video(Path('videos', f'{number}.mp4'), 6, size=(40, 40))
    amd_mm_command('pretrain', '--data', 'videos', '--out', 'work', '--size', 32, '--frames', 4,
                   '--patch', 8, '--epochs', 1, '--batch', 4, '--processes', 2,
                   '--cfg-options', *SMALL, 'env_cfg.dist_cfg.backend=gloo')
    log = max(Path('work').glob('*/*.log')).read_text()
    assert '2 samples x 2 processes x 1 accumulated = 4 samples an update' in log
