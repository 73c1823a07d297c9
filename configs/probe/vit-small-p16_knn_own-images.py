_base_ = './_base_/knn_own_images.py'

model = dict(backbone=dict(arch='deit-small'))
