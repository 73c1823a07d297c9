"""What is trained: masked autoencoding, and distillation from a teacher."""
from amd_mm.models.algorithms.amd import AMD
from amd_mm.models.algorithms.base import MaskedPretraining, Reconstruction
from amd_mm.models.algorithms.masked_autoencoder import MaskedAutoencoder

__all__ = ['AMD', 'MaskedAutoencoder', 'MaskedPretraining', 'Reconstruction']
