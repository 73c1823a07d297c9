"""Networks that students learn from."""
from amd_mm.models.teachers.base import Teacher
from amd_mm.models.teachers.frozen_teacher import FrozenTeacher
from amd_mm.models.teachers.timm_teacher import TimmTeacher
from amd_mm.models.teachers.transformers_teacher import TransformersTeacher

__all__ = ['FrozenTeacher', 'Teacher', 'TimmTeacher', 'TransformersTeacher']
