"""Networks of the search spaces, from genotypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasflat_jax.measure import _layers
from nasflat_jax.measure import _networks_fbnet
from nasflat_jax.measure import _networks_nasbench201

# Space: (genes, values of a gene, settings with the default first, reference).
_SPACES = {
    'nasbench201': (
        6,
        5,
        tuple(_networks_nasbench201.SETTINGS),
        _networks_nasbench201.CONV_3X3,
    ),
    'fbnet': (
        22,
        9,
        tuple(_networks_fbnet.SETTINGS),
        _networks_fbnet.BLOCKS.index((3, 3, 1)),
    ),
}


def settings(space_name: str) -> tuple[str, ...]:
  """The settings a space's networks can be built for, the default first.

  Args:
    space_name: `nasbench201` or `fbnet`.

  Returns:
    Names for the argument `setting` of `network`.

  Raises:
    ValueError: the space's networks cannot be built.

  Example:
    >>> settings('fbnet')
    ('cifar100', 'imagenet')
  """
  if space_name not in _SPACES:
    raise ValueError(
        f'no networks for the space {space_name!r}; there are networks for '
        f'{", ".join(sorted(_SPACES))}'
    )
  return _SPACES[space_name][2]


def network(
    space_name: str,
    genotype: np.ndarray | Sequence[int],  # [G]
    *,
    setting: str | None = None,
    num_classes: int | None = None,
) -> _layers.Network:
  """The network an architecture stands for, ready to run.

  NAS-Bench-201 (https://arxiv.org/abs/2001.00326) has the settings `cifar10`,
  `cifar100` and `imagenet16-120`; FBNet as in HW-NAS-Bench
  (https://arxiv.org/abs/2103.10584) has `cifar100` and `imagenet`.

  Note:
    All parameters of the genotype exist, also those of operations that do not
    reach the output. `apply` is the network's definition word for word; the
    compiler drops branches that do not reach the output and convolutions of a
    node without inputs, as it does in a deployed compiled network, so such
    branches cost no time.

  Args:
    space_name: `nasbench201` or `fbnet`.
    genotype: `[G]` operation of each gene; concrete, since the program depends
      on it.
    setting: resolution, strides and number of classes; None takes the first of
      `settings(space_name)`.
    num_classes: K; None takes the setting's.

  Returns:
    The network: `init`, `apply`, `input_shape` and `shapes`.

  Raises:
    ValueError: unknown space or setting, or a genotype not of the space.

  Example:
    >>> net = network('nasbench201', [3, 1, 0, 2, 4, 3])
    >>> from nasflat_jax import measure
    >>> net.input_shape, measure.num_params(net.shapes)
    ((32, 32, 3), 587386)
  """
  names = settings(space_name)
  setting = names[0] if setting is None else setting
  if setting not in names:
    raise ValueError(
        f'no setting {setting!r} of {space_name}; settings: {", ".join(names)}'
    )
  num_genes, num_values, _, _ = _SPACES[space_name]
  genes = np.asarray(genotype)
  if genes.shape != (num_genes,) or not np.issubdtype(genes.dtype, np.integer):
    raise ValueError(
        f'genotype of {space_name}: got {genes.dtype}{list(genes.shape)}, '
        f'want integers [{num_genes}]'
    )
  if genes.min() < 0 or genes.max() >= num_values:
    raise ValueError(
        f'genotype of {space_name}: genes are 0 to {num_values - 1}, got '
        f'{genes.tolist()}'
    )
  if num_classes is not None and num_classes < 1:
    raise ValueError(f'num_classes: got {num_classes}, want at least 1')
  if space_name == 'nasbench201':
    resolution, classes = _networks_nasbench201.SETTINGS[setting]
    return _networks_nasbench201.network(
        genes, resolution=resolution, num_classes=num_classes or classes
    )
  layout = _networks_fbnet.SETTINGS[setting]
  return _networks_fbnet.network(
      genes, setting=layout, num_classes=num_classes or layout.num_classes
  )


def reference_genotype(space_name: str) -> np.ndarray:
  """`[G]` int32: a fixed network of the space, to tell runs and rounds apart.

  All edges 3x3 convolutions in NAS-Bench-201, all layers `k3_e3` in FBNet.
  """
  num_genes, _, _, gene = _SPACES[space_name]
  return np.full(num_genes, gene, np.int32)
