"""Encodings: fixed vectors of architectures, `[B, G] -> [B, F]`."""

from nasflat_jax.encodings._costs import costs
from nasflat_jax.encodings._costs import none

__all__ = ['costs', 'none']
