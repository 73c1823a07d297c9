"""The command ``amd-mm``: one line to start a run, and one to each thing that follows it."""
from amd_mm.command.main import main

__all__ = ['main']
