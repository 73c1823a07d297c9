"""Trains a config; started by torchrun, see runs.py."""
import sys

import torch
from mmengine.config import Config

import amd_mm  # noqa: F401
from runs import run

if __name__ == '__main__':
    torch.set_num_threads(1)
    run(Config.fromfile(sys.argv[1]))
