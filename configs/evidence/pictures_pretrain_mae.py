# MAE alone.
_base_ = './_base_/pretrain_pictures.py'
