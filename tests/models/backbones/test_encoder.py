"""Both encoders are what the protocol says, and the host's classes are not."""
import pytest
import tiny_vits
from mmaction.models.backbones.vit_mae import VisionTransformer as VideoHost
from mmpretrain.models.backbones import VisionTransformer as ImageHost

from amd_mm.models.backbones import Encoder


@pytest.mark.parametrize('make', [tiny_vits.image_vit, tiny_vits.video_vit])
def test_ours_are_encoders(make):
    encoder = make()
    assert isinstance(encoder, Encoder)
    assert encoder.depth == len(encoder.blocks) == tiny_vits.DEPTH
    assert encoder.final_norm_layer is not None and encoder.pooling_norm is None
    names = encoder.state_dict()
    assert f'{encoder.final_norm_name}.weight' in names
    assert f'{encoder.pooling_norm_name}.weight' not in names


def test_norms_of_fine_tuning():
    image = tiny_vits.image_vit(out_type='avg_featmap', final_norm=False)
    video = tiny_vits.video_vit(use_mean_pooling=True)
    for encoder in (image, video):
        assert encoder.final_norm_layer is None
        assert encoder.pooling_norm is encoder.get_submodule(encoder.pooling_norm_name)
        assert encoder.new_norms == (encoder.pooling_norm_name, )
    assert tiny_vits.video_vit(return_feat_map=True).new_norms == ('norm', 'fc_norm')


def test_the_hosts_are_none():
    assert not isinstance(ImageHost('deit-tiny'), Encoder)
    assert not isinstance(VideoHost(depth=1, embed_dims=24, num_heads=3), Encoder)
