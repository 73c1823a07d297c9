import torch

# Tiny networks: more threads than one only wait for each other.
torch.set_num_threads(1)
