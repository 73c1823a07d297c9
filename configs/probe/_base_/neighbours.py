# Nearest neighbours: nothing is trained. The gallery is the training set; vote of 20 neighbours at
# temperature 0.07, the usual protocol (arXiv 1805.01978, 2104.14294).
# A recipe says `model = dict(_delete_=True, backbone=..., gallery=..., **_base_.neighbours)`.
neighbours = dict(type='amd_mm.NearestNeighbours', k=20, temperature=0.07)
# Of pictures the class token after the last norm; of clips the mean of all tokens after it: the
# norm after pooling belongs to fine-tuning.
picture_encoder = dict(type='amd_mm.ImageVisionTransformer', img_size=224, patch_size=16)
gallery_loader = dict(
    batch_size=256, num_workers=8, sampler=dict(type='DefaultSampler', shuffle=False))
