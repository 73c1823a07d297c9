# AMD (Zhao et al., arXiv 2311.03149) with a teacher that its authors did not try: VideoMAE V2's
# ViT-g (Wang et al., arXiv 2303.16727). The student has its patches of 14 x 14.
_base_ = '../amd/large_teachers/amd_vit-base-p14-from-giant_b512-16x4x1-200e_kinetics400-rgb.py'

model = _base_.vit_small
