"""What NASFLAT's authors recorded, and how they got it.

From the results in the history of their repository,
https://github.com/abdelfattah-lab/nasflat_latency: mean Spearman over target
devices at 20 samples. Without a supplementary encoding the rows come from the
ablations of the runs behind the main table (random sampler; 16 source samples
per device on NAS-Bench-201, 200 on FBNet), with ZCP from the main table itself
(800 source samples, CAZ sampler). Standard deviations over trials are recorded
for the main table only.
"""

from __future__ import annotations

import dataclasses

# FD's targets when the rows without an encoding were recorded.
OLD_FD_TARGETS = ('titanx_1', 'titanx_32', 'titanx_64', 'gold_6240')

SPEARMAN = {
    'op_init': {
        'ND': 0.960, 'NA': 0.888, 'N1': 0.973, 'N2': 0.855, 'N3': 0.963,
        'N4': 0.966, 'FD': 0.710, 'FA': 0.625, 'F1': 0.689, 'F2': 0.831,
        'F3': 0.796, 'F4': 0.725,
    },
    'head': {
        'ND': 0.960, 'NA': 0.900, 'N1': 0.974, 'N2': 0.871, 'N3': 0.960,
        'N4': 0.965, 'FD': 0.712, 'FA': 0.531, 'F1': 0.720, 'F2': 0.811,
        'F3': 0.828, 'F4': 0.734,
    },
    'zcp': {
        'FD': 0.961, 'FA': 0.577, 'F1': 0.809, 'F2': 0.871, 'F3': 0.814,
        'F4': 0.734,
    },
}
STD = {
    'ND': 0.007, 'NA': 0.036, 'N1': 0.007, 'N2': 0.029, 'N3': 0.008,
    'N4': 0.012, 'FD': 0.007, 'FA': 0.079, 'F1': 0.019, 'F2': 0.024,
    'F3': 0.046, 'F4': 0.142,
}


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How a row of the published tables was trained.

  Attributes:
    hardware_embedding: where the device enters.
    warm_start: whether a target starts from the best source's embedding.
    encoding: public name of `encodings`.
    num_source: architectures per source device.
    sizes: transfer sizes in the order of the run; weights are carried over.
    learning_rate: of the transfer.
    epochs: of the transfer.
  """

  hardware_embedding: str
  warm_start: bool
  encoding: str
  num_source: int
  sizes: tuple[int, ...]
  learning_rate: float
  epochs: int


def recipe(name: str, space: str) -> Recipe:
  """The recipe behind `SPEARMAN[name]` on a space.

  Raises:
    ValueError: nothing is recorded.
  """
  place, warm_start = {
      'op_init': ('operation', True),
      'head': ('head', False),
      'zcp': ('operation', True),
  }[name]
  if space == 'nasbench201':
    if name == 'zcp':
      raise ValueError('zcp: recorded on FBNet only')
    return Recipe(
        place, warm_start, 'none', 16, (5, 10, 15, 20), 3e-3, 40
    )
  zcp = name == 'zcp'
  return Recipe(
      place, warm_start, 'zcp' if zcp else 'none', 800 if zcp else 200, (20,),
      1e-3, 30,
  )
