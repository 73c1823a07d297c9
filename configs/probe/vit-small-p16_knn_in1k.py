_base_ = './_base_/knn_in1k.py'

model = dict(backbone=dict(arch='deit-small'))
