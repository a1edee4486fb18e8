"""FBNet: 22 layers in a chain, nine blocks for each.

Wu et al., CVPR 2019 (https://arxiv.org/abs/1812.03443), in the macro
architecture of HW-NAS-Bench (https://arxiv.org/abs/2103.10584).
"""

from __future__ import annotations

import functools

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _fbnet_costs as _costs
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs
from nasflat_jax.spaces import _operators

_GENE_NAMES = _costs.GENE_NAMES
_SETTING = 'cifar100'
_SPEC = _inverted.chain_spec(
    'fbnet',
    gene_names=_GENE_NAMES,
    operators=[
        *(_operators.inverted_residual(*b) for b in _costs.BLOCKS),
        types.Operator('skip'),
    ],
    nodes=_inverted.node_features(_costs.positions(_SETTING)),
    costs=_layer_costs.features(_costs.tables(_SETTING)[1]),
    size=None,  # 9^22 cannot be enumerated
)
FBNET = _codec.free_chain(
    _SPEC,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    to_string=functools.partial(_codec.joined_names, _SPEC),
    from_string=functools.partial(_codec.from_joined_names, _SPEC),
)
