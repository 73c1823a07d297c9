"""The losses of the papers, as configs write them out."""
# MAE, VideoMAE, DMAE and AMD: pixels.
PIXEL_L2 = dict(type='amd_mm.PixelLoss', distance='l2', loss_weight=1.)
# AMD as released, and with a layer-normalised teacher; DMAE.
RAW_L2 = dict(type='amd_mm.FeatureAlignmentLoss', distance='l2', normalize=None, loss_weight=1.)
LAYER_NORM_L2 = dict(RAW_L2, normalize='layer_norm')
UNIT_L1 = dict(RAW_L2, distance='l1', normalize='l2')
AMD_NECK = dict(type='amd_mm.AlignmentNeck', direct=RAW_L2, generation=RAW_L2)


def pixel_head(normalize: str | None) -> dict:
    """The head of MAE (``'token'``), VideoMAE (``'token_channel'``) or DMAE (None)."""
    return dict(type='amd_mm.PixelHead', normalize=normalize, loss=PIXEL_L2)
