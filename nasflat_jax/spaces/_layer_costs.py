"""Costs of single layers, in the order of the fields of `types.Costs`.

`flops` follows NAS-Bench-Suite-Zero (https://arxiv.org/abs/2210.03230):
multiply-adds, 2 per output element of a batch normalisation with affine
parameters, 1 per element of a ReLU. Bytes are float32. Batch normalisation is
folded into its convolution: its scale is free and its shift is one bias per
channel, but both count as parameters and as `flops`.
"""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types

FIELDS = tuple(types.Costs.__annotations__)
_BYTES = 4
# Side of a square map, or height and width.
Size = int | tuple[int, int]


def vector(**values: float) -> np.ndarray:
  """`[7]` float64, the named fields set and the others zero."""
  return np.array([values.get(name, 0) for name in FIELDS], np.float64)


def pixels(size: Size) -> int:
  """Pixels of a map."""
  return size * size if isinstance(size, int) else size[0] * size[1]


def conv(
    channels_in: int,
    channels_out: int,
    kernel: int,
    size_in: Size,
    size_out: Size,
    *,
    groups: int = 1,
    norm: bool = True,
) -> np.ndarray:
  """A bias-free convolution, fused with what follows it."""
  weights = kernel**2 * channels_in * channels_out // groups
  read = channels_in * pixels(size_in)
  written = channels_out * pixels(size_out)
  multiply_adds = weights * pixels(size_out)
  return vector(
      multiply_adds=multiply_adds,
      flops=multiply_adds + 2 * written * norm,
      params=weights + 2 * channels_out * norm,
      weight_bytes=_BYTES * (weights + channels_out * norm),
      activation_bytes=_BYTES * (read + written),
      kernels=1,
      critical_path=1,
  )


def linear(units_in: int, units_out: int) -> np.ndarray:
  """A dense layer with bias; the bias adds no `flops`."""
  params = units_in * units_out + units_out
  return vector(
      multiply_adds=units_in * units_out,
      flops=units_in * units_out,
      params=params,
      weight_bytes=_BYTES * params,
      activation_bytes=_BYTES * (units_in + units_out),
      kernels=1,
      critical_path=1,
  )


def elementwise(read: int, written: int, flops: int) -> np.ndarray:
  """A kernel without weights that reads and writes so many elements."""
  return vector(
      flops=flops,
      activation_bytes=_BYTES * (read + written),
      kernels=1,
      critical_path=1,
  )


def relu(elements: int) -> np.ndarray:
  """A ReLU fused into its neighbour: `flops` alone."""
  return vector(flops=elements)


def gather(table: np.ndarray, genotype: chex.Array) -> chex.Array:
  """Looks up `[B, G, 7]` costs of each gene's operation.

  Args:
    table: `[G, O, 7]` float64.
    genotype: `[B, G]`; NumPy gives float64, JAX float32.

  Raises:
    ValueError: if a gene of a NumPy genotype is out of range.
  """
  chex.assert_shape(genotype, (None, table.shape[0]))
  genes = np.arange(table.shape[0])
  if isinstance(genotype, jax.Array):
    return jnp.asarray(table, jnp.float32)[genes, genotype]
  bad = ((genotype < 0) | (genotype >= table.shape[1])).any(1)
  if bad.any():
    row = int(bad.argmax())
    raise ValueError(
        f'row {row} has a gene outside 0..{table.shape[1] - 1}: '
        f'{genotype[row].tolist()}'
    )
  return table[genes, genotype]


def as_array(genotype: chex.Array) -> chex.Array:
  """JAX arrays as they are, anything else as NumPy."""
  return genotype if isinstance(genotype, jax.Array) else np.asarray(genotype)


def total(fixed: np.ndarray, per_gene: chex.Array) -> chex.Array:
  """`[B, 7]` fixed part plus the sum of `[B, G, 7]` over genes."""
  if isinstance(per_gene, jax.Array):
    return per_gene.sum(1) + jnp.asarray(fixed, jnp.float32)
  return per_gene.sum(1) + fixed


def as_costs(values: chex.Array, **replaced: chex.Array) -> types.Costs:
  """Splits `[..., 7]` into the fields of `Costs`; `replaced` ones win."""
  fields = {name: values[..., i] for i, name in enumerate(FIELDS)}
  return types.Costs(**(fields | replaced))


def additive(
    tables: Callable[[str], tuple[np.ndarray, np.ndarray]], default: str
) -> tuple[Callable[..., types.Costs], Callable[..., types.Costs]]:
  """Costs of networks that are the sum of a fixed part and of each gene's.

  Both functions take genotypes `[B, G]`, NumPy for exact float64 or JAX for
  float32, jittable, and the name of a setting; `critical_path` equals
  `kernels`, as in a chain. They raise `ValueError` for an unknown setting and
  for a NumPy gene out of range.

  Args:
    tables: `setting -> ([7], [G, O, 7])`, the fixed part and the operations'.
    default: the setting of a call without one.

  Returns:
    `costs`, with `[B]` fields, and `op_costs`, with `[B, G]` fields.
  """

  def costs(genotype: chex.Array, setting: str = default) -> types.Costs:
    fixed, ops = tables(setting)
    return as_costs(total(fixed, gather(ops, as_array(genotype))))

  def op_costs(genotype: chex.Array, setting: str = default) -> types.Costs:
    return as_costs(gather(tables(setting)[1], as_array(genotype)))

  return costs, op_costs


def features(table: np.ndarray) -> tuple[tuple[tuple[float, ...], ...], ...]:
  """`[G][O][4]` inputs of order one for a network, from a `[G, O, 7]` table.

  The features are log(1 + multiply-adds) / 20, log(1 + parameters) / 20,
  log(1 + activation bytes) / 20 and kernels per largest number of kernels.
  """
  by_name = {name: table[..., i] for i, name in enumerate(FIELDS)}
  stacked = np.stack(
      [
          np.log1p(by_name['multiply_adds']) / 20,
          np.log1p(by_name['params']) / 20,
          np.log1p(by_name['activation_bytes']) / 20,
          by_name['kernels'] / by_name['kernels'].max(),
      ],
      axis=-1,
  ).round(6)
  return tuple(
      tuple(tuple(op) for op in position) for position in stacked.tolist()
  )
