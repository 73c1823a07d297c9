"""Frozen encoders."""
from amd_mm.models.teachers.frozen_teacher import FrozenTeacher

__all__ = ['FrozenTeacher']
