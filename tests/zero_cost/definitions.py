"""What the tests of every network share: its scores against float64."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from zero_cost import reference

from nasflat_jax import zero_cost
from nasflat_jax.zero_cost import _score

NAMES = tuple(proxy.name for proxy in zero_cost.ALL)
# Of the logits of maps that are normalised last the sum is a constant, and its
# Jacobian nothing but rounding.
NOISE = ('epe_nas', 'jacov')
# Relative to the value; 1e-4 of the others. These two are differences of larger
# numbers.
RTOL = {'grasp': 1e-2, 'plain': 1e-3}


def float64(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
  """Arrays by name, as NumPy float64."""
  return {name: np.asarray(x, np.float64) for name, x in values.items()}


def inputs(network: zero_cost.Network, key: Any, batch: Any) -> Any:
  """All that `score` draws for a network, on the host."""
  dtype = np.dtype(np.float32)
  return jax.device_get(_score._inputs(network, key, batch, dtype))


def proxies(build: Callable[..., Any], drawn: Any) -> dict[str, float]:
  """All thirteen proxies in float64, of what `inputs` drew."""
  return reference.proxies(
      build,
      float64(drawn.params.kernel),
      float64(drawn.params.bias),
      np.asarray(drawn.images, np.float64),
      drawn.labels,
      float64(drawn.zen_params.kernel),
      np.asarray(drawn.noise, np.float64),
  )


def assert_close(
    found: Sequence[float] | np.ndarray,
    expected: Mapping[str, float],
    *,
    without: Collection[str] = (),
) -> None:
  """Requires all proxies but `without` to be those of the definitions."""
  for name, value in zip(NAMES, found, strict=True):
    if name not in without:
      np.testing.assert_allclose(
          value, expected[name], rtol=RTOL.get(name, 1e-4), err_msg=name
      )
