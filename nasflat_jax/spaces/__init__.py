"""Search spaces: genotypes, graphs, strings, moves and analytic costs.

A space is a constant, a `types.SearchSpace` of pure functions. Its costs come
from the layers of the network it stands for: exact float64 for a NumPy
genotype, float32 and jittable for a JAX one. `flops` is the count of
NAS-Bench-Suite-Zero and NASFLAT: multiply-adds, plus 2 per output element of a
batch normalisation, 1 per element of a ReLU and the size of the window per
output of a pooling. Bytes are float32, with normalisation folded into its
convolution. `op_features` of a spec are log(1 + multiply-adds) / 20,
log(1 + parameters) / 20, log(1 + activation bytes) / 20 and kernels over
their largest number, of each operation at each position.
"""

from nasflat_jax.spaces._chain import chain_space
from nasflat_jax.spaces._codec import genotype_of
from nasflat_jax.spaces._codec import index_of
from nasflat_jax.spaces._codec import members
from nasflat_jax.spaces._codec import num_indices
from nasflat_jax.spaces._darts import DARTS
from nasflat_jax.spaces._edge_cell import live_edges
from nasflat_jax.spaces._fbnet import FBNET
from nasflat_jax.spaces._joint import join
from nasflat_jax.spaces._joint import JointSpace
from nasflat_jax.spaces._joint import node_costs
from nasflat_jax.spaces._joint import unify
from nasflat_jax.spaces._mobilenet_v2 import MOBILENET_V2
from nasflat_jax.spaces._namespace import get
from nasflat_jax.spaces._namespace import names
from nasflat_jax.spaces._namespace import space_token
from nasflat_jax.spaces._nasbench101 import NASBENCH101
from nasflat_jax.spaces._nasbench101_hash import nasbench101_hash
from nasflat_jax.spaces._nasbench101_hash import nasbench101_pruned
from nasflat_jax.spaces._nasbench201 import canonical
from nasflat_jax.spaces._nasbench201 import isomorphism_class
from nasflat_jax.spaces._nasbench201 import NASBENCH201
from nasflat_jax.spaces._nasbench_macro import NASBENCH_MACRO
from nasflat_jax.spaces._nds import NDS_AMOEBA
from nasflat_jax.spaces._nds import NDS_DARTS
from nasflat_jax.spaces._nds import NDS_ENAS
from nasflat_jax.spaces._nds import nds_genotype
from nasflat_jax.spaces._nds import NDS_NASNET
from nasflat_jax.spaces._nds import NDS_PNAS
from nasflat_jax.spaces._ofa import OFA
from nasflat_jax.spaces._ofa_settings import ofa_genotype
from nasflat_jax.spaces._ofa_settings import ofa_settings
from nasflat_jax.spaces._ofa_settings import OfaSettings
from nasflat_jax.spaces._operators import operator_attributes
from nasflat_jax.spaces._operators import OPERATOR_COLUMNS
from nasflat_jax.spaces._operators import OPERATOR_KINDS
from nasflat_jax.spaces._sample import reference_sample
from nasflat_jax.spaces._transnas_macro import TRANSNAS_MACRO
from nasflat_jax.spaces._transnas_micro import TRANSNAS_MICRO
from nasflat_jax.spaces._transnas_micro import transnas_micro_from_naslib

__all__ = (
    'DARTS',
    'FBNET',
    'JointSpace',
    'MOBILENET_V2',
    'NASBENCH101',
    'NASBENCH201',
    'NASBENCH_MACRO',
    'NDS_AMOEBA',
    'NDS_DARTS',
    'NDS_ENAS',
    'NDS_NASNET',
    'NDS_PNAS',
    'OFA',
    'OPERATOR_COLUMNS',
    'OPERATOR_KINDS',
    'OfaSettings',
    'TRANSNAS_MACRO',
    'TRANSNAS_MICRO',
    'canonical',
    'chain_space',
    'genotype_of',
    'get',
    'index_of',
    'isomorphism_class',
    'join',
    'live_edges',
    'members',
    'names',
    'nasbench101_hash',
    'nasbench101_pruned',
    'node_costs',
    'nds_genotype',
    'num_indices',
    'ofa_genotype',
    'ofa_settings',
    'operator_attributes',
    'reference_sample',
    'space_token',
    'transnas_micro_from_naslib',
    'unify',
)
