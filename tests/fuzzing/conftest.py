"""Sizes: a minute for CI, the same examples every time; a night of 10,000 with AMD_MM_FUZZ=night.

A night draws anew; what it finds is printed with a line that repeats it, and is to be kept as a
test where the code is tested.
"""
import os

from hypothesis import HealthCheck, settings

_COMMON = dict(deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
settings.register_profile('ci', max_examples=100, derandomize=True, **_COMMON)
settings.register_profile('night', max_examples=10_000, **_COMMON)
settings.load_profile(os.environ.get('AMD_MM_FUZZ', 'ci'))
