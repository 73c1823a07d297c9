# Encoders for clips and the decoder that VideoMAE gives each of them; patches of 2 x 16 x 16.
# A recipe says `model = _base_.vit_small`, `_base_.vit_base` or `_base_.vit_large`; the larger
# ones are teachers (docs/recipes.md).
vit_small = dict(
    backbone=dict(embed_dims=384, depth=12, num_heads=6),
    decoder=dict(embed_dims=192, num_heads=3))
vit_base = dict(
    backbone=dict(embed_dims=768, depth=12, num_heads=12),
    decoder=dict(embed_dims=384, num_heads=6))
vit_large = dict(
    backbone=dict(embed_dims=1024, depth=24, num_heads=16),
    decoder=dict(embed_dims=512, num_heads=8))
vit_huge = dict(
    backbone=dict(embed_dims=1280, depth=32, num_heads=16),
    decoder=dict(embed_dims=640, num_heads=8))
# VideoMAE V2 (arXiv 2303.16727); patches of 2 x 14 x 14, MLPs of 6144.
vit_giant = dict(
    backbone=dict(patch_size=14, embed_dims=1408, depth=40, num_heads=16, mlp_ratio=48 / 11),
    decoder=dict(embed_dims=512, num_heads=8))
