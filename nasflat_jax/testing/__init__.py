"""Contract checks for components, the package's own and yours.

Each check runs a component as the library runs it and raises AssertionError
with the component's name where it breaks its contract. Call them from a test
of your own component; nothing has to be registered.
"""

from nasflat_jax.testing._component import check_encoding
from nasflat_jax.testing._component import check_sampler
from nasflat_jax.testing._method import check_method
from nasflat_jax.testing._predictor import check_predictor
from nasflat_jax.testing._search import check_search
from nasflat_jax.testing._space import check_space
from nasflat_jax.testing._transfer import check_transfer

__all__ = (
    'check_encoding',
    'check_method',
    'check_predictor',
    'check_sampler',
    'check_search',
    'check_space',
    'check_transfer',
)
