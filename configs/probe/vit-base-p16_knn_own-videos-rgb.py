_base_ = './_base_/knn_own_videos.py'

model = dict(backbone=_base_.vit_base.backbone)
