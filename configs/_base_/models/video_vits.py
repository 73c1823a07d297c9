# Encoders for clips and the decoder that VideoMAE gives each of them; patches of 2 x 16 x 16.
# A recipe says `model = _base_.vit_small`, `_base_.vit_base` or `_base_.vit_large`.
vit_small = dict(
    backbone=dict(embed_dims=384, depth=12, num_heads=6),
    decoder=dict(embed_dims=192, num_heads=3))
vit_base = dict(
    backbone=dict(embed_dims=768, depth=12, num_heads=12),
    decoder=dict(embed_dims=384, num_heads=6))
vit_large = dict(
    backbone=dict(embed_dims=1024, depth=24, num_heads=16),
    decoder=dict(embed_dims=512, num_heads=8))
