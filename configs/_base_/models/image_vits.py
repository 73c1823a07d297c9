# Encoders for images, by the host's names: its 'small' is not the ViT-S of the papers.
# A recipe says `model = _base_.vit_small`, `_base_.vit_base` or `_base_.vit_large`; the larger
# one is a teacher (docs/recipes.md).
vit_small = dict(backbone=dict(arch='deit-small'))
vit_base = dict(backbone=dict(arch='base'))
vit_large = dict(backbone=dict(arch='large'))
# As MAE has it, with patches of 14 x 14.
vit_huge = dict(backbone=dict(arch='huge', patch_size=14))
