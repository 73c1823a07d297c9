import pytest
import tiny_vits
from encoder_files import save

from amd_mm.command.encoders import backbone_settings, depth_of, find_encoder

ARCH = dict(embed_dims=24, num_layers=2, num_heads=3, feedforward_channels=96)


@pytest.mark.parametrize('modality, recipe, settings', [
    ('video', dict(embed_dims=384, depth=12, num_heads=6),
     dict(embed_dims=24, depth=2, num_heads=3)),
    ('video', dict(embed_dims=24, depth=2, num_heads=3, tubelet_size=1), dict(tubelet_size=2)),
    ('image', dict(arch='deit-small'), dict(arch=dict(_delete_=True, **ARCH))),
    ('image', dict(arch=ARCH), {})])
def test_a_config_says_of_an_encoder_what_a_recipe_does_not(tmp_path, modality, recipe, settings):
    net = tiny_vits.video_vit() if modality == 'video' else tiny_vits.image_vit()
    found = find_encoder(save(net, tmp_path / 'net.pth'), '--teacher')
    assert found.file == tmp_path / 'net.pth' and found.depth == 2 and found.foundation is None
    assert backbone_settings(found.net, recipe) == settings


@pytest.mark.parametrize('backbone, depth', [
    (dict(arch='large'), 24), (dict(arch=ARCH), 2),
    (dict(embed_dims=1408, depth=40, num_heads=16, mlp_ratio=48 / 11), 40)])
def test_the_depth_of_a_config(backbone, depth):
    assert depth_of(backbone) == depth


def test_a_published_name_is_looked_for_where_files_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match='--teacher mae-base: its file must be at hand, as '
                                         r'models/mae-base\.\* in the current folder'):
        find_encoder('mae-base', '--teacher')
    (tmp_path / 'models').mkdir()
    save(tiny_vits.image_vit(), tmp_path / 'models/mae-base-full.pth')
    save(tiny_vits.image_vit(), tmp_path / 'models/mae-base.pth')
    assert find_encoder('mae-base', '--teacher').file == tmp_path / 'models/mae-base.pth'


@pytest.mark.parametrize('name, remedy', [
    ('mae-bsae', 'did you mean mae-base'), ('zzz', 'check the path, or see amd-mm zoo')])
def test_what_is_neither_file_nor_name_is_refused(name, remedy):
    with pytest.raises(ValueError, match=f"a file, a folder or a name of the zoo, got '{name}'; "
                                         f'{remedy}'):
        find_encoder(name, '--teacher')
