"""Trains configs, one after the other; started by torchrun, see runs.py."""
import sys

from mmengine.config import Config
from runs import run

from amd_mm.command_line import leave_processes

if __name__ == '__main__':
    for path in sys.argv[1:]:
        run(Config.fromfile(path))
    leave_processes()
