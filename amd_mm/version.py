"""The version, for setup.py to read without importing the package."""
__version__ = '0.2.0'
