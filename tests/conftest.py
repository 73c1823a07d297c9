import torch

import amd_mm  # noqa: F401  (first, so that test files can import the hosts in any order)

# Tiny networks: more threads than one only wait for each other.
torch.set_num_threads(1)
