"""The commands, as a user runs them: exit status, what they print and what is left."""
import amd_mm  # noqa: F401, I001  mends torchvision, which timm imports

import os
import runpy
import signal
import sys
from pathlib import Path

import pytest
import timm
import torch
from golden import golden

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / 'configs/amd/amd_vit-small-p16_b4096-800e_in1k.py'
AMD = ROOT / 'configs/amd/amd_vit-base-p16_b512-16x4x1-200e_kinetics400-rgb.py'


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a tool in this process and returns its exit status, output and errors."""
    def run(tool: str, *args: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, args)])
        handler = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as status:
            runpy.run_path(str(ROOT / 'tools' / tool), run_name='__main__')
        signal.signal(signal.SIGTERM, handler)
        return status.value.code, *capsys.readouterr()
    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    torch.save({'model': golden('amd.student.')}, tmp_path / 'theirs.pth')
    return tmp_path / 'theirs.pth'


def test_converts(run, source: Path, tmp_path: Path) -> None:
    status, out, err = run('convert_checkpoint.py', source, tmp_path / 'ours.pth', '--part',
                           'encoder')
    assert status == 0, err
    assert 'videomae (video) -> amd_mm (video): 56 weights' in out
    assert 'dropped: mask_token' in out and 'written: ' in out
    state = torch.load(tmp_path / 'ours.pth')['state_dict']
    want = golden('amd.student.encoder.blocks.2.attn.q_bias')['']
    assert torch.equal(state['backbone.blocks.2.attn.q_bias'], want)
    status, out, err = run('convert_checkpoint.py', source, tmp_path / 'ours.pth')
    assert status == 2 and '--force' in err
    status, out, err = run('convert_checkpoint.py', source, tmp_path / 'ours.pth', '--dry-run')
    assert status == 0 and 'dry run: nothing written' in out
    assert len(torch.load(tmp_path / 'ours.pth')['state_dict']) == 56


def test_every_option_reaches_the_conversion(run, source: Path, tmp_path: Path) -> None:
    status, out, err = run(
        'convert_checkpoint.py', source, tmp_path / 'out', '--from', 'videomae', '--to',
        'mmaction2', '--part', 'encoder', '--num-frames', '16', '--img-size', '48', '--tubelet',
        '4', '--source-frames', '8', '--source-size', '32', '--force')
    assert status == 0, err
    state = torch.load(tmp_path / 'out')['state_dict']
    assert state['backbone.pos_embed'].shape == (1, 4 * 6 * 6, 24)
    assert state['backbone.patch_embed.projection.weight'].shape == (24, 3, 4, 8, 8)
    status, out, err = run('convert_checkpoint.py', source, tmp_path / 'folder', '--to',
                           'transformers', '--part', 'encoder', '--num-heads', '3',
                           '--source-frames', '8', '--source-size', '32')
    assert status == 0 and sorted(os.listdir(tmp_path / 'folder')) == [
        'README.md', 'config.json', 'model.safetensors'], err


def test_only_trust_gets_past_a_file_that_runs_code(run, tmp_path: Path) -> None:
    class Bomb:

        def __reduce__(self):
            return Path.touch, (tmp_path / 'executed', )

    torch.save({'model': golden('amd.teacher.'), 'more': Bomb()}, tmp_path / 'a.pth')
    status, _, err = run('convert_checkpoint.py', tmp_path / 'a.pth', tmp_path / 'b.pth')
    assert status == 2 and '--trust' in err and os.listdir(tmp_path) == ['a.pth']
    status, _, err = run('convert_checkpoint.py', tmp_path / 'a.pth', tmp_path / 'b.pth', '--trust')
    assert status == 0 and sorted(os.listdir(tmp_path)) == ['a.pth', 'b.pth', 'executed']


def test_an_unexplained_key_stops_it(run, source: Path, tmp_path: Path) -> None:
    torch.save({'model': golden('amd.student.') | {'encoder.blocks.0.attn.k_bias': torch.ones(24)}},
               source)
    status, out, err = run('convert_checkpoint.py', source, tmp_path / 'ours.pth')
    assert status == 2 and not out
    assert 'keys are unknown: encoder.blocks.0.attn.k_bias' in err
    assert os.listdir(tmp_path) == ['theirs.pth']


def test_model_zoo(run, source: Path) -> None:
    status, out, _ = run('model_zoo.py', 'list')
    assert status == 0 and 'mae-large-full\n' in out
    status, out, err = run('model_zoo.py', 'check', source, '--config', AMD)
    assert status == 2
    assert 'width 24, depth 4, patch 8, tubelet 2; layout videomae (video); holds decoder, ' \
        'encoder, neck' in out
    assert 'width: checkpoint 24, model 1024' in err


def test_model_zoo_gets_what_is_there_and_says_the_steps_to_the_rest(
        run, source: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run('model_zoo.py', 'get', 'videomae-large-k400')
    assert status == 2 and not err
    assert out.splitlines()[0] == 'licence: CC-BY-NC-4.0, the majority (README.md)'
    assert out.splitlines()[-1] == '2. save the file as models/videomae-large-k400.pth'
    # Whoever saved another file under that name is told.
    status, out, err = run('model_zoo.py', 'get', 'videomae-large-k400', '--out', source)
    assert status == 2 and 'must be videomae-large-k400 (width 1024, depth 24, patch 16), got ' \
        'width 24, depth 4, patch 8' in err
    status, _, err = run('model_zoo.py', 'get', 'video-mae-large-k400')
    assert status == 2 and 'did you mean videomae-large-k400?' in err


def test_model_zoo_asks_which_of_several_teachers(run, source: Path, tmp_path: Path) -> None:
    (tmp_path / 'config.py').write_text(f"""_base_ = '{AMD}'
model = dict(taps=None, neck=None, teacher=[
    dict(name=name, teacher={{{{_base_.model.teacher}}}}) for name in ('image', 'video')])
""")
    for name in ([], ['--teacher', 'clip']):
        status, _, err = run('model_zoo.py', 'check', source, '--config', tmp_path / 'config.py',
                             *name)
        assert status == 2 and '--teacher must be one of image, video, which' in err
    status, _, err = run('model_zoo.py', 'check', source, '--config', tmp_path / 'config.py',
                         '--teacher', 'video')
    assert status == 2 and 'width: checkpoint 24, model 1024' in err


def test_model_zoo_knows_what_libraries_build(run, tmp_path: Path) -> None:
    status, out, _ = run('model_zoo.py', 'list')
    assert status == 0 and 'dinov3-7b\n    image, width 4096, depth 40, patch 16, a class token, ' \
        '4 register tokens' in out
    assert 'read by amd_mm.TimmTeacher, architecture vit_7b_patch16_dinov3 ' in out
    assert "licence DINOv3 License, Meta's own (LICENSE.md)" in out
    file = tmp_path / 'siglip.pth'
    network = timm.create_model('vit_base_patch16_siglip_224', num_classes=0)
    torch.save({name: value.bfloat16() for name, value in network.state_dict().items()}, file)
    (tmp_path / 'config.py').write_text(f"""_base_ = '{IMAGE}'
model = dict(mask_generator=dict(teacher_ratio=0), teacher=dict(
    _delete_=True, type='amd_mm.TimmTeacher', architecture='vit_base_patch16_siglip_224',
    taps=(6, 12)))
""")
    status, out, err = run('model_zoo.py', 'check', file, '--config', tmp_path / 'config.py')
    assert status == 0, err
    assert 'looks like siglip-base or siglip2-base: their weights have the same shapes' in out
    assert 'of timm: amd_mm.TimmTeacher, architecture vit_base_patch16_siglip_224\n' in out
    assert 'fits the teacher in' in out
    network = timm.create_model('vit_base_patch32_clip_quickgelu_224', num_classes=0)
    torch.save({name: value.bfloat16() for name, value in network.state_dict().items()}, file)
    status, out, err = run('model_zoo.py', 'check', file, '--config', tmp_path / 'config.py')
    assert status == 2 and 'looks like clip-base-32\n' in out
    assert 'must hold the weights of vit_base_patch16_siglip_224' in err
