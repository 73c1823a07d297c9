"""What is not supported is named in words, before any list of keys."""
import pytest
import torch
from tiny_vits import image_vit, video_vit

from amd_mm.checkpoints.canonical import canonical_weights
from amd_mm.checkpoints.reading import Checkpoint
from amd_mm.checkpoints.unsupported import name_parts
from amd_mm.export.convert import Options, convert_weights

ONE = torch.ones(1)


@pytest.mark.parametrize(('key', 'words'), [
    ('reg_token', 'register tokens'), ('embeddings.register_tokens', 'register tokens'),
    ('blocks.0.ls1.gamma', 'layer scale'), ('layers.0.attn.gamma1.weight', 'layer scale'),
    ('encoder.layer.0.layer_scale1.lambda1', 'layer scale'), ('rope.periods', 'rotary positions'),
    ('blocks.0.attn.rotary_emb.inv_freq', 'rotary positions'),
    ('blocks.0.attn.relative_position_bias_table', 'relative positions'),
    ('blocks.0.attn.q_norm.weight', 'norms of queries and keys'),
    ('blocks.0.mlp.w12.weight', 'a gated MLP'), ('dist_token', 'a distillation token'),
    ('norm_pre.weight', 'a norm before the first block'),
    ('attn_pool.latent', 'attention pooling'),
    ('blocks.0.attn.scale', 'scaled cosine attention'),
    ('blocks.0.attn.qkv.lora_A.weight', 'LoRA adapters, which have to be merged first'),
    ('_flat_param', "FSDP's flattened shards, to be saved as a full state dict first")])
def test_words_of_names(key: str, words: str) -> None:
    assert name_parts(['norm.weight', key]) == words


def test_names_of_ours_tell_nothing_odd() -> None:
    assert not name_parts(image_vit().state_dict()) and not name_parts(video_vit().state_dict())


def test_the_words_come_before_the_keys() -> None:
    state = dict(image_vit().state_dict()) | {
        'reg_token': ONE, 'layers.0.attn.gamma1.weight': ONE, 'layers.1.attn.gamma1.weight': ONE}
    with pytest.raises(ValueError, match=(
            'but it has register tokens, layer scale, which is not supported; 3 keys are unknown: '
            'reg_token.*The model is of another kind; take another file')):
        canonical_weights(Checkpoint(state), 'encoder')
    with pytest.raises(ValueError, match='If only the encoder is wanted, add --part encoder'):
        canonical_weights(Checkpoint(state), 'all')


def test_the_words_come_first_where_no_layout_fits() -> None:
    with pytest.raises(ValueError, match='but the model has rotary positions, which is not sup'):
        canonical_weights(Checkpoint({'rope.periods': ONE, 'patch.weight': ONE}), 'encoder')


def test_a_target_without_a_place_names_the_part() -> None:
    state = video_vit(init_values=.1).state_dict()
    with pytest.raises(ValueError, match='has none for layer scale: encoder.blocks.0.gamma1'):
        convert_weights(Checkpoint(dict(state)), Options(
            'transformers', num_heads=3, source_size=32, source_frames=4))


@pytest.mark.parametrize(('source', 'words'), [
    (dict(config=dict(model_config=dict(cos_attn=True))), 'cosine attention'),
    (dict(config=dict(model_type='dinov3_vit')), 'rotary positions'),
    (dict(config=dict(architecture='vit_base_patch16_rpn_224')), 'res-post-norm'),
    (dict(config=dict(architecture='vit_mine_rpn_16')), 'res-post-norm'),
    (dict(meta=dict(meta=dict(cfg="model = dict(backbone=dict(pre_norm=True))"))),
     'a norm before the first block'),
    (dict(meta=dict(meta=dict(cfg="model = dict(backbone=dict(layer_cfgs=dict("
                                  "ffn_type='swiglu_fused')))"))), 'a gated MLP')])
def test_what_only_the_config_says(source: dict, words: str) -> None:
    checkpoint = Checkpoint(dict(image_vit().state_dict()), **source)
    with pytest.raises(ValueError, match=f'must be a plain pre-norm ViT, .*{words}'):
        canonical_weights(checkpoint, 'encoder')
