# A student of pictures that learns a teacher's features and no pixels; without size and teacher.
_base_ = ['../../_base_/models/mae.py', './teachers.py']

model = dict(type='amd_mm.AMD', decoder=None, head=None)
