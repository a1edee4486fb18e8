"""Static graphs of search spaces and message passing on them."""

from nasflat_jax.graphs._message_passing import adjacency
from nasflat_jax.graphs._message_passing import dense_passing
from nasflat_jax.graphs._message_passing import endpoints
from nasflat_jax.graphs._message_passing import jraph_passing
from nasflat_jax.graphs._message_passing import matrix_passing
from nasflat_jax.graphs._message_passing import MessagePassing
from nasflat_jax.graphs._message_passing import to_graphs_tuple

__all__ = [
    'MessagePassing',
    'adjacency',
    'dense_passing',
    'endpoints',
    'jraph_passing',
    'matrix_passing',
    'to_graphs_tuple',
]
