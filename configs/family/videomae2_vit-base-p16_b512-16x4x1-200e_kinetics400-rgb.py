# VideoMAE V2's dual masking: published by Wang et al., arXiv 2303.16727, section 3.2.
_base_ = ['../_base_/models/videomae.py', './_base_/on_kinetics400.py']

model = dict(
    mask_generator=dict(
        decoder_ratio=0.5, decoder_strategy=dict(type='amd_mm.RunningCellMasking')),
    **_base_.vit_base)
